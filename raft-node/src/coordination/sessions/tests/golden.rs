//! The bytes of what is stored of leases. A failure here means that a format has changed.

use crate::codec;
use crate::leases::LeaseRow;
use crate::types::Revision;

#[test]
fn the_row_of_a_lease_is_frozen() {
    let row = LeaseRow {
        ttl_ms: 10_000,
        name: "w".to_owned(),
        granted: Revision(3),
        attached: 2,
        key_bytes: 5,
    };
    let bytes = codec::encode(&row).unwrap();
    assert_eq!(bytes[..3], [0x10, 0x02, 1], "id and version");
    assert_eq!(bytes[11..], [251, 0x10, 0x27, 1, b'w', 3, 2, 5]);
}
