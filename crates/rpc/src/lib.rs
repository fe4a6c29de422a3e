//! Makes and answers Cap'n Proto calls over one byte stream
