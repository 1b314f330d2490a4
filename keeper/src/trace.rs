//! Trace ids: one per withdrawal from intake to its end, as W3C Trace Context has them.

/// A new id: 32 hexadecimal digits, never all zero.
pub fn new_id() -> String {
    format!("{:032x}", rand::random::<u128>().max(1))
}

/// The trace that a caller goes on in, and the caller's span in it: 32 and 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    pub trace_id: String,
    pub span_id: String,
}

/// What a `traceparent` header says, `00-<trace id>-<parent id>-<flags>`. None when it is ill-formed: such a header counts
/// as absent.
pub fn from_traceparent(header: &str) -> Option<Parent> {
    let mut parts = header.trim().split('-');
    let (version, id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |s: &str, n: usize| {
        s.len() == n && s.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let zero = |s: &str| s.bytes().all(|b| b == b'0');
    let well_formed = hex(version, 2) && version != "ff" && hex(id, 32) && hex(parent, 16) && hex(flags, 2);
    // Version 00 ends here; later ones may add to it.
    let ends = version != "00" || parts.next().is_none();
    (well_formed && ends && !zero(id) && !zero(parent))
        .then(|| Parent { trace_id: id.to_owned(), span_id: parent.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_callers_ids_when_it_is_well_formed() {
        let id = "0af7651916cd43dd8448eb211c80319c";
        let parent = Some(Parent { trace_id: id.to_owned(), span_id: "b7ad6b7169203331".to_owned() });
        assert_eq!(from_traceparent(&format!("00-{id}-b7ad6b7169203331-01")), parent);
        assert_eq!(from_traceparent(&format!("01-{id}-b7ad6b7169203331-01-more")), parent);
        for bad in [
            String::new(),
            format!("ff-{id}-b7ad6b7169203331-01"),
            format!("00-{id}-b7ad6b7169203331-01-more"),
            format!("00-{id}-0000000000000000-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()),
            format!("00-{id}"),
        ] {
            assert_eq!(from_traceparent(&bad), None, "{bad}");
        }
        assert_ne!(new_id(), new_id());
        assert_eq!(new_id().len(), 32);
    }
}
