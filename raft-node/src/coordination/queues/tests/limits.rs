//! What is refused, and what is answered at a limit.
