//! Whatever strangers do to a member's ports, it stays up, keeps no more of it than it may, and a good client goes on as if
//! they were not there.

mod bytes;
mod deadlines;
mod floods;
mod good_client;
mod idle;
mod malformed;
mod peers;
mod raw_http2;
mod slow;
