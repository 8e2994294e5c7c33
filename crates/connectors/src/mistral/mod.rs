//! Mistral AI.
