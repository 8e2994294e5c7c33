//! Stub
use model::Problem;
use secrecy::SecretString;
/// x
pub trait Variables: Send + Sync {
    /// x
    fn variable(&self, name: &str) -> Option<String>;
    /// x
    fn secret(&self, name: &str) -> Option<SecretString>;
}
/// x
pub fn resolve(text: &str, _v: &dyn Variables) -> Result<String, Problem> {
    Ok(text.to_owned())
}
/// x
pub fn resolve_secret(text: &str, _v: &dyn Variables) -> Result<SecretString, Problem> {
    Ok(text.to_owned().into())
}
