//! Which operations make, show, change and delete which objects: a table, over which one module serves them all.

use crate::state::collections::Id::{Given, Number, Own, Uuid};
use connectors::openapi::catalogue::Method::{self, Delete, Get, Patch, Post, Put};

/// Where an object's id comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    /// The service makes a UUID, behind a prefix.
    Uuid(&'static str),
    /// The client names the object in the body or the query; a name that is taken replaces the object.
    Given,
    /// The client names the object; a name that is taken is refused.
    Own,
    /// Counted from this number within the parent.
    Number(u64),
}

/// Objects of one kind. In paths, `{}` stands for any slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collection {
    /// What one is called in a refusal.
    pub(crate) what: &'static str,
    /// Operations that make one. Their slots are the object's parents.
    pub(crate) create: &'static [(Method, &'static str)],
    /// Operations that list them.
    pub(crate) lists: &'static [&'static str],
    /// The path of one; without a slot at its end, the id is in the query or the body.
    pub(crate) item: &'static str,
    /// The field of the id.
    pub(crate) id: &'static str,
    /// Where the id comes from.
    pub(crate) form: Id,
    /// Another field that finds an object.
    pub(crate) also: &'static str,
}

const fn kind(
    what: &'static str,
    create: &'static [(Method, &'static str)],
    lists: &'static [&'static str],
    item: &'static str,
    id: &'static str,
    form: Id,
) -> Collection {
    Collection { what, create, lists, item, id, form, also: "" }
}

/// Agents, by their place in the table.
pub(crate) const AGENTS: usize = 0;
/// Versions of agents.
pub(crate) const AGENT_VERSIONS: usize = 1;
/// Conversations.
pub(crate) const CONVERSATIONS: usize = 3;
/// Documents of libraries.
pub(crate) const DOCUMENTS: usize = 5;
/// Prompts, whose versions follow them.
pub(crate) const PROMPTS: usize = 7;
/// Skills, whose versions follow them.
pub(crate) const SKILLS: usize = 9;

/// Batch jobs.
pub(crate) const BATCH_JOBS: usize = 30;
/// Users of the organisation.
pub(crate) const USERS: usize = 31;
/// Invitations to the organisation.
pub(crate) const INVITATIONS: usize = 32;
/// Runs of a directory's synchronisation.
pub(crate) const SYNC_RUNS: usize = 33;
/// Users in a group.
pub(crate) const MEMBERS: usize = 34;

/// All collections.
#[rustfmt::skip]
pub(crate) const COLLECTIONS: [Collection; 35] = [
    kind("the agent", &[(Post, "/v1/agents")], &["/v1/agents", "/v1/agents/pages"], "/v1/agents/{}", "id", Uuid("ag_")),
    kind("the version", &[], &["/v1/agents/{}/versions"], "/v1/agents/{}/versions/{}", "version", Number(0)),
    kind("the alias", &[(Put, "/v1/agents/{}/aliases")], &["/v1/agents/{}/aliases"], "/v1/agents/{}/aliases", "alias", Given),
    kind("the conversation", &[], &["/v1/conversations"], "/v1/conversations/{}", "id", Uuid("conv_")),
    kind("the library", &[(Post, "/v1/libraries")], &["/v1/libraries"], "/v1/libraries/{}", "id", Uuid("")),
    kind("the document", &[(Post, "/v1/libraries/{}/documents")], &["/v1/libraries/{}/documents"], "/v1/libraries/{}/documents/{}", "id", Uuid("")),
    kind("the share", &[(Put, "/v1/libraries/{}/share")], &["/v1/libraries/{}/share"], "/v1/libraries/{}/share", "share_with_uuid", Given),
    kind("the prompt", &[(Post, "/v2/prompts")], &["/v2/prompts"], "/v2/prompts/{}", "id", Uuid("")),
    kind("the version", &[(Post, "/v2/prompts/{}/versions")], &["/v2/prompts/{}/versions"], "/v2/prompts/{}/versions/{}", "version", Number(1)),
    kind("the skill", &[(Post, "/v2/skills")], &["/v2/skills"], "/v2/skills/{}", "id", Uuid("")),
    kind("the version", &[(Post, "/v2/skills/{}/versions")], &["/v2/skills/{}/versions"], "/v2/skills/{}/versions/{}", "version", Number(1)),
    Collection { also: "name", ..kind("the connector", &[(Post, "/v1/connectors")], &["/v1/connectors"], "/v1/connectors/{}", "id", Uuid("")) },
    kind("the credentials", &[(Post, "/v1/connectors/{}/organization/credentials")], &["/v1/connectors/{}/organization/credentials"], "/v1/connectors/{}/organization/credentials/{}", "name", Given),
    kind("the credentials", &[(Post, "/v1/connectors/{}/user/credentials")], &["/v1/connectors/{}/user/credentials"], "/v1/connectors/{}/user/credentials/{}", "name", Given),
    kind("the credentials", &[(Post, "/v1/connectors/{}/workspace/credentials")], &["/v1/connectors/{}/workspace/credentials"], "/v1/connectors/{}/workspace/credentials/{}", "name", Given),
    kind("the voice", &[(Post, "/v1/audio/voices")], &["/v1/audio/voices"], "/v1/audio/voices/{}", "id", Uuid("")),
    kind("the schedule", &[(Post, "/v1/workflows/schedules")], &["/v1/workflows/schedules"], "/v1/workflows/schedules/{}", "schedule_id", Own),
    kind("the deployment", &[(Post, "/v1/workflows/deployments")], &["/v1/workflows/deployments"], "/v1/workflows/deployments/{}", "name", Own),
    kind("the execution", &[(Post, "/v1/workflows/{}/execute"), (Post, "/v1/workflows/registrations/{}/execute")], &[], "/v1/workflows/executions/{}", "execution_id", Own),
    kind("the campaign", &[(Post, "/v1/observability/campaigns")], &["/v1/observability/campaigns"], "/v1/observability/campaigns/{}", "id", Uuid("")),
    kind("the dataset", &[(Post, "/v1/observability/datasets")], &["/v1/observability/datasets"], "/v1/observability/datasets/{}", "id", Uuid("")),
    kind("the record", &[(Post, "/v1/observability/datasets/{}/records")], &["/v1/observability/datasets/{}/records"], "/v1/observability/dataset-records/{}", "id", Uuid("")),
    kind("the task", &[
        (Post, "/v1/observability/datasets/{}/imports/from-campaign"), (Post, "/v1/observability/datasets/{}/imports/from-dataset"),
        (Post, "/v1/observability/datasets/{}/imports/from-explorer"), (Post, "/v1/observability/datasets/{}/imports/from-file"),
        (Post, "/v1/observability/datasets/{}/imports/from-playground"),
    ], &["/v1/observability/datasets/{}/tasks"], "/v1/observability/datasets/{}/tasks/{}", "id", Uuid("")),
    kind("the judge", &[(Post, "/v1/observability/judges")], &["/v1/observability/judges"], "/v1/observability/judges/{}", "id", Uuid("")),
    kind("the workspace", &[(Post, "/v1/admin/workspaces")], &["/v1/admin/workspaces"], "/v1/admin/workspaces/{}", "uuid", Uuid("")),
    kind("the group", &[(Post, "/v1/admin/user-groups")], &["/v1/admin/user-groups"], "/v1/admin/user-groups/{}", "uuid", Uuid("")),
    kind("the assignment", &[(Post, "/v1/admin/user-groups/{}/workspaces")], &["/v1/admin/user-groups/{}/workspaces"], "/v1/admin/user-groups/{}/workspaces/{}", "workspace_uuid", Given),
    kind("the key", &[(Post, "/v1/admin/api-keys")], &["/v1/admin/api-keys"], "/v1/admin/api-keys/{}", "key_id", Uuid("")),
    kind("the search index", &[(Put, "/v1/rag/deployments")], &["/v1/rag/deployments"], "/v1/rag/deployments/{}", "id", Uuid("")),
    kind("the configuration", &[(Put, "/v1/rag/ingestion_pipeline_configurations")], &["/v1/rag/ingestion_pipeline_configurations"], "/v1/rag/ingestion_pipeline_configurations/{}", "id", Uuid("")),
    kind("the batch job", &[(Post, "/v1/batch/jobs")], &["/v1/batch/jobs"], "/v1/batch/jobs/{}", "id", Uuid("")),
    kind("the user", &[], &["/v1/admin/users"], "/v1/admin/users/{}", "uuid", Uuid("")),
    kind("the invitation", &[], &["/v1/admin/users-invite"], "/v1/admin/users-invite/{}", "invite_uuid", Uuid("")),
    kind("the sync run", &[(Post, "/v1/admin/scim/sync")], &[], "/v1/admin/scim/sync/{}", "run_id", Uuid("")),
    kind("the member", &[], &["/v1/admin/user-groups/{}/members"], "/v1/admin/user-groups/{}/members/{}", "user_uuid", Given),
];

/// What an operation does with objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Makes one.
    Create,
    /// Lists them.
    List,
    /// Shows one.
    Retrieve,
    /// Changes one.
    Change,
    /// Deletes one.
    Delete,
    /// Does something else with the innermost object that its path names.
    Inside,
}

/// What an operation does, with which collection, and which objects its path needs besides: collections with the
/// number of the slot that names the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) role: Role,
    pub(crate) collection: usize,
    pub(crate) ancestors: Vec<(usize, usize)>,
}

/// The part that an operation plays; `None` where it is not about objects.
pub(crate) fn part(method: Method, path: &str) -> Option<Part> {
    let path: String =
        path.split('/').map(|one| if one.starts_with('{') { "{}" } else { one }).collect::<Vec<_>>().join("/");
    let mut ancestors = Vec::new();
    for (number, collection) in COLLECTIONS.iter().enumerate() {
        if collection.item.ends_with("{}")
            && path.strip_prefix(collection.item).is_some_and(|rest| rest.starts_with('/'))
        {
            ancestors.push((number, collection.item.matches("{}").count() - 1));
        }
    }
    ancestors.sort_by_key(|(_, slot)| *slot);
    for (collection, one) in COLLECTIONS.iter().enumerate() {
        let role = if one.create.contains(&(method, path.as_str())) {
            Role::Create
        } else if method == Get && one.lists.contains(&path.as_str()) {
            Role::List
        } else if path == one.item {
            match method {
                Get => Role::Retrieve,
                Delete => Role::Delete,
                Put | Patch => Role::Change,
                Post => continue,
            }
        } else {
            continue;
        };
        return Some(Part { role, collection, ancestors });
    }
    let (collection, _) = *ancestors.last()?;
    Some(Part { role: Role::Inside, collection, ancestors })
}
