//! Configuration, roles and wiring of one Updraft node.
