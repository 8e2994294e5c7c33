//! `move`: a value to another place, and away from its old one.

use super::options::FromOptions;
use super::places::{Options, Places};
use model::{Problem, Transform, TransformContext};
use serde_json::Value;

pub(crate) struct Move(Places);

impl FromOptions for Move {
    const KIND: &'static str = "move";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        Places::new(&options).map(Self)
    }
}

impl Transform for Move {
    fn apply(&self, mut payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let taken = self.0.from.take(&mut payload);
        self.0.check(&taken, &payload)?;
        self.0.put(&mut payload, taken)?;
        Ok(vec![payload])
    }
}
