//! `copy`: a value to another place.

use super::options::FromOptions;
use super::places::{Options, Places};
use model::{Problem, Transform, TransformContext};
use serde_json::Value;

pub(crate) struct Copy(Places);

impl FromOptions for Copy {
    const KIND: &'static str = "copy";
    type Options = Options;

    fn from_options(options: Options) -> Result<Self, Vec<Problem>> {
        Places::new(&options).map(Self)
    }
}

impl Transform for Copy {
    fn apply(&self, mut payload: Value, _: &mut TransformContext) -> Result<Vec<Value>, Problem> {
        let found = self.0.from.find_all(&payload);
        let found: Vec<_> = found.into_iter().map(|(bound, value)| (bound, value.clone())).collect();
        self.0.check(&found, &payload)?;
        self.0.put(&mut payload, found)?;
        Ok(vec![payload])
    }
}
