//! Bytes that were made to hurt: cut, flipped, or found by a fuzzer. None may panic, and none may
//! cost more than it weighs.

mod hostile {
    //! The targets of the fuzzer, and what is known to be nasty.
    pub(crate) mod bombs;
    pub(crate) mod corpus;
    pub(crate) mod mutations;
    pub(crate) mod targets;
}
