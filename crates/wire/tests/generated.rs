//! The schemas in `proto/`, the code that the library's compiler makes of them, and that both and
//! this crate agree.
//!
//! The generated code is committed, so that no build needs the compiler. It is used here alone: it
//! is the second opinion on what this crate reads and writes by itself.

#[expect(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::needless_pass_by_ref_mut,
    clippy::unwrap_used,
    clippy::use_self,
    clippy::semicolon_if_nothing_returned,
    unused_qualifications,
    unreachable_pub,
    missing_debug_implementations,
    unnameable_types,
    dead_code,
    reason = "generated"
)]
mod schema {
    #[rustfmt::skip]
    pub mod calls_capnp;
    #[rustfmt::skip]
    pub mod connect_capnp;
}

mod generated {
    //! What is held against the generated code.
    pub(crate) mod agreement;
    pub(crate) mod freshness;
}
