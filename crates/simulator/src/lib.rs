//! A stand-in for the Mistral API.
