//! What is refused before it is proposed.
