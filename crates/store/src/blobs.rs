//! Files beside the database for large payloads.
