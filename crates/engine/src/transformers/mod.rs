//! Transformers.
use model::{Problem, Registry, TransformContext, definition::Part};
use serde_json::Value;
/// x
#[derive(Default)]
pub struct Chain;
impl Chain {
    /// x
    pub fn compile(_: &[Part], _: &Registry) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }
    /// x
    pub fn is_empty(&self) -> bool {
        true
    }
    /// x
    pub fn apply(&self, payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        Ok(vec![payload])
    }
}
