//! Members of the organisation: users and invitations are made several at a time, groups have users in them.

use crate::answer::Answer;
use crate::judge::Judged;
use crate::objects::{Asking, create_with};
use crate::refusal::Refusal;
use crate::state::collections::{INVITATIONS, MEMBERS, USERS};
use connectors::openapi::catalogue::Method;
use serde_json::{Map, Value, json};

/// Answers the operations that make members; `None` where the operation is another.
pub(crate) fn answer(asking: Asking<'_>, request: &Judged<'_>) -> Option<Result<Answer, Refusal>> {
    let entry = asking.operation.entry;
    Some(match (entry.method, &*entry.path) {
        (Method::Post, "/v1/admin/users") => create(asking, request.payload()),
        (Method::Post, "/v1/admin/users-invite") => invite(asking, request.payload()),
        (Method::Post, "/v1/admin/user-groups/{group_uuid}/members") => assign(asking, request),
        (Method::Delete, "/v1/admin/user-groups/{group_uuid}/members") => remove(asking, request),
        _ => return None,
    })
}

fn create(asking: Asking<'_>, payload: &Value) -> Result<Answer, Refusal> {
    let (mut invalid, mut ids) = (Vec::new(), Map::new());
    for member in payload.as_array().into_iter().flatten() {
        let text = |name: &str| member[name].as_str().unwrap_or_default();
        let email = text("email");
        if !is_address(email) {
            invalid.push(email);
            continue;
        }
        let mut fields = member.as_object().cloned().unwrap_or_default();
        fields.insert("name".to_owned(), format!("{} {}", text("first_name"), text("last_name")).into());
        let user = asking.objects.create(USERS, &[], None, |id, number| {
            fields.insert("uuid".to_owned(), id.clone());
            asking.made(number, fields)
        })?;
        ids.insert(email.to_owned(), user.id.into());
    }
    Ok(Answer::json(200, &json!({ "invalid_emails": invalid, "email_to_user_id": ids })))
}

fn invite(asking: Asking<'_>, payload: &Value) -> Result<Answer, Refusal> {
    let email = payload["email"].as_str().unwrap_or_default();
    let is_member = asking.objects.list(USERS, &[]).iter().any(|user| user.fields.get("email") == Some(&email.into()));
    let told = |invalid: &[&str], members: &[&str], invited: u64| {
        let body = json!({"invalid_emails": invalid, "already_members": members, "invited_members_count": invited});
        Ok(Answer::json(200, &body))
    };
    if !is_address(email) {
        return told(&[email], &[], 0);
    }
    if is_member {
        return told(&[], &[email], 0);
    }
    create_with(asking, INVITATIONS, &[], payload.as_object().cloned().unwrap_or_default())?;
    told(&[], &[], 1)
}

/// The users that a request names.
fn named<'r>(request: &'r Judged<'_>) -> impl Iterator<Item = &'r str> {
    request.payload()["user_uuids"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn assign(asking: Asking<'_>, request: &Judged<'_>) -> Result<Answer, Refusal> {
    let group = request.slot("group_uuid").to_owned();
    for user in named(request) {
        let mut fields = Map::new();
        if let Ok(known) = asking.objects.with(USERS, &[user.to_owned()], |user| user.fields.clone()) {
            fields = known;
        }
        fields.insert("user_uuid".to_owned(), user.into());
        let group = std::slice::from_ref(&group);
        asking.objects.create(MEMBERS, group, Some(user.to_owned()), |_, number| asking.made(number, fields))?;
    }
    Ok(Answer::empty(204))
}

fn remove(asking: Asking<'_>, request: &Judged<'_>) -> Result<Answer, Refusal> {
    let group = request.slot("group_uuid").to_owned();
    for user in named(request) {
        asking.objects.delete(MEMBERS, &[group.clone(), user.to_owned()])?;
    }
    Ok(Answer::empty(204))
}

fn is_address(email: &str) -> bool {
    email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
}
