//! The bytes of rows, operations, answers and refusals. A failure here means that a format has changed: give the record a
//! new id or version instead, and add to these.
