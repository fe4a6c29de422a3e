//! The supervisor in a virtual world.
