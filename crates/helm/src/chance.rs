//! Where chance and time come from when templates ask for them.
