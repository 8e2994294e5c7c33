//! Connectors with drivers of their own.
