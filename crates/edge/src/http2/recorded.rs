//! Compares streams and the first bytes with those recorded from upstream.
