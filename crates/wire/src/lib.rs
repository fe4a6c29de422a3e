//! Turns bytes on an edge connection into values and back
