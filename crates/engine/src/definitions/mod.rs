//! Definitions files: read, checked, planned.
