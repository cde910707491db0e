//! How concurrent values become one.
