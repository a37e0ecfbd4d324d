//! Consensus: proposes commands, applies them on every member, and tells readers what is
//! committed. All of openraft is confined to this crate; the rest of Weir sees [`Handle`].

pub mod error;
pub mod handle;
pub mod status;

pub use error::{MembershipError, ReadError, WriteError};
pub use handle::{Handle, Options, Start};
pub use status::{Member, Role, Status};
