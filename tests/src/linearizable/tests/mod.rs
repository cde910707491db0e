//! The search must agree with the plainest possible one, pass what is right and see each kind of wrong.

mod kit;
mod mutations;
mod oracle;
mod parts;
mod random;
