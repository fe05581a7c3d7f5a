"""What a service refuses, as clients see it."""

import pytest
from botocore.exceptions import ClientError


def refused(code, words, call, **arguments):
    """Calls; what is refused must have this code and these words."""
    with pytest.raises(ClientError) as error:
        call(**arguments)
    answer = error.value.response["Error"]
    assert (answer["Code"], answer["Message"]) == (code, words)
