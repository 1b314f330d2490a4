//! The tier under which the vault paid an order: by its amount the keeper alone, with approvals, or after an announcement.

/// A risk class. Told by the function that the settlement called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Instant,
    Approved,
    Delayed,
}

impl Tier {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Approved => "approved",
            Self::Delayed => "delayed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Instant, Self::Approved, Self::Delayed].into_iter().find(|t| t.as_str() == text)
    }
}
