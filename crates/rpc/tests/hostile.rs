//! Conversations with a peer that says anything.

mod hostile {
    //! The target of the fuzzer, and bytes for it.
    pub(crate) mod mutations;
    pub(crate) mod targets;
}
