"""Fixtures: one server for the whole session, functions that clean up after themselves, servers of a test's own."""

import pytest

from support import functions, server


@pytest.fixture(scope="session")
def executable():
    return server.binary()


@pytest.fixture(scope="session")
def runtimes_dir(executable):
    return server.runtimes_dir()


@pytest.fixture(scope="session")
def runtimes(runtimes_dir):
    return functions.Runtimes.on_host(runtimes_dir)


@pytest.fixture(scope="session")
def updraft(executable, runtimes_dir, tmp_path_factory):
    """The session's server. At the end it is asked to stop, must do so cleanly and leave nothing."""
    with server.Server(executable, runtimes_dir, tmp_path_factory.mktemp("updraft") / "data") as running:
        yield running


@pytest.fixture
def another_server(executable, runtimes_dir, tmp_path):
    """Makes servers of a test's own, in the test's directory; stops those that still run."""
    made = []

    def make(name="data", **settings):
        one = server.Server(executable, runtimes_dir, tmp_path / name, **settings)
        made.append(one)
        return one

    yield make
    for one in made:
        if one.is_running():
            one.kill()


@pytest.fixture(scope="session")
def lambda_(updraft):
    return updraft.client("lambda")


@pytest.fixture(scope="session")
def logs(updraft):
    return updraft.client("logs")


@pytest.fixture
def create(lambda_, runtimes):
    """Makes functions for one test."""
    factory = functions.Factory(lambda_, runtimes)
    yield factory
    factory.remove_all()


@pytest.fixture(scope="module")
def shared(lambda_, runtimes):
    """Makes functions that the tests of a module share."""
    factory = functions.Factory(lambda_, runtimes)
    yield factory
    factory.remove_all()
