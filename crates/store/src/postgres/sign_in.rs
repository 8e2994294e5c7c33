//! How people sign in, and where they are signed in.

use super::PostgresStore;
use super::fault::Fault;
use super::people::{PERSON, person, record, write as write_person};
use super::secrets::take;
use crate::seal::Sealed;
use crate::{
    AuditEntry, Credentials, Factor, LinkUse, NewLink, NewSession, Person, Session, SignIn, SignedIn, StoreError,
    WaysIn,
};
use async_trait::async_trait;
use model::{Millis, Role};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use std::slice::from_ref;

const SESSION: &str = "session.id, person.name, session.created_at, session.used_at, session.expires_at,
                       session.origin, session.agent";

#[async_trait]
impl SignIn for PostgresStore {
    async fn credentials(&self, name: String) -> Result<Option<Credentials>, StoreError> {
        self.server.read(name, |db, name| Box::pin(credentials(db, name))).await
    }

    async fn ways_in(&self) -> Result<Vec<WaysIn>, StoreError> {
        self.server.read((), |db, ()| Box::pin(ways_in(db))).await
    }

    async fn set_password(&self, name: String, hash: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.server
            .write((name, hash, audit), |write, (name, hash, audit)| {
                Box::pin(async move {
                    let is_set = set_password(write.db(), name, hash, audit.at).await?;
                    recorded(write.db(), is_set, audit).await
                })
            })
            .await
    }

    async fn add_link(&self, link: NewLink, audit: AuditEntry) -> Result<bool, StoreError> {
        self.server.write((link, audit), |write, (link, audit)| Box::pin(add_link(write.db(), link, audit))).await
    }

    async fn link(&self, hash: [u8; 32], now: Millis) -> Result<Option<Option<String>>, StoreError> {
        self.server.read((hash, now), |db, (hash, now)| Box::pin(link(db, hash, *now))).await
    }

    async fn use_link(&self, used: LinkUse, audit: AuditEntry) -> Result<bool, StoreError> {
        self.server.write((used, audit), |write, (used, audit)| Box::pin(use_link(write.db(), used, audit))).await
    }

    async fn begin_session(&self, new: NewSession, audit: AuditEntry) -> Result<(), StoreError> {
        self.server.write((new, audit), |write, (new, audit)| Box::pin(begin(write.db(), new, audit))).await
    }

    async fn signed_in(&self, hash: [u8; 32]) -> Result<Option<SignedIn>, StoreError> {
        self.server.read(hash, |db, hash| Box::pin(signed_in(db, hash))).await
    }

    async fn session_used(&self, id: i64, at: Millis) -> Result<(), StoreError> {
        self.server
            .write((id, at), |write, (id, at)| {
                Box::pin(async move {
                    let sql = "UPDATE session SET used_at = greatest(used_at, $2) WHERE id = $1";
                    sqlx::query(sql).bind(id).bind(at).execute(write.db()).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        self.server
            .read((), |db, ()| {
                Box::pin(async move {
                    let sql = format!(
                        "SELECT {SESSION} FROM session JOIN person ON person.id = session.person ORDER BY session.id"
                    );
                    sqlx::query(AssertSqlSafe(sql)).fetch_all(db).await?.iter().map(session).collect()
                })
            })
            .await
    }

    async fn end_session(&self, id: i64, audit: AuditEntry) -> Result<bool, StoreError> {
        self.server
            .write((id, audit), |write, (id, audit)| {
                Box::pin(async move {
                    let ended = sqlx::query("DELETE FROM session WHERE id = $1").bind(id).execute(write.db()).await?;
                    recorded(write.db(), ended.rows_affected() == 1, audit).await
                })
            })
            .await
    }

    async fn offer_factor(&self, name: String, sealed: Sealed) -> Result<bool, StoreError> {
        self.server
            .write((name, sealed), |write, (name, sealed)| {
                Box::pin(async move {
                    let sql =
                        "INSERT INTO factor (person, sealed, last_step) SELECT name, $2, 0 FROM person WHERE name = $1
                               ON CONFLICT (person) DO UPDATE SET sealed = excluded.sealed
                               WHERE factor.confirmed_at IS NULL";
                    take(write.db(), sealed).await?;
                    let offered = sqlx::query(sql).bind(name).bind(&sealed.value).execute(write.db()).await?;
                    Ok(offered.rows_affected() == 1)
                })
            })
            .await
    }

    async fn confirm_factor(
        &self,
        name: String,
        step: i64,
        codes: Vec<[u8; 32]>,
        audit: AuditEntry,
    ) -> Result<bool, StoreError> {
        self.server
            .write((name, step, codes, audit), |write, (name, step, codes, audit)| {
                Box::pin(confirm_factor(write.db(), name, *step, codes, audit))
            })
            .await
    }

    async fn use_step(&self, name: String, step: i64) -> Result<bool, StoreError> {
        self.server
            .write((name, step), |write, (name, step)| {
                Box::pin(async move {
                    let sql = "UPDATE factor SET last_step = $2 WHERE person = $1 AND last_step < $2";
                    let used = sqlx::query(sql).bind(name).bind(step).execute(write.db()).await?;
                    Ok(used.rows_affected() == 1)
                })
            })
            .await
    }

    async fn use_code(&self, name: String, hash: [u8; 32]) -> Result<bool, StoreError> {
        self.server
            .write((name, hash), |write, (name, hash)| {
                Box::pin(async move {
                    let sql = "DELETE FROM recovery_code
                               WHERE person = (SELECT id FROM person WHERE name = $1) AND hash = $2";
                    let used = sqlx::query(sql).bind(name).bind(&hash[..]).execute(write.db()).await?;
                    Ok(used.rows_affected() == 1)
                })
            })
            .await
    }

    async fn remove_factor(&self, name: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.server
            .write((name, audit), |write, (name, audit)| {
                Box::pin(async move {
                    of_person(write.db(), "DELETE FROM recovery_code", name).await?;
                    let sql = "DELETE FROM factor WHERE person = $1";
                    let is_removed = sqlx::query(sql).bind(name).execute(write.db()).await?.rows_affected() == 1;
                    recorded(write.db(), is_removed, audit).await
                })
            })
            .await
    }
}

/// Records what was done, where it was.
async fn recorded(db: &mut PgConnection, is_done: bool, audit: &AuditEntry) -> Result<bool, Fault> {
    if is_done {
        record(db, from_ref(audit)).await?;
    }
    Ok(is_done)
}

/// Changes all rows of somebody.
async fn of_person(db: &mut PgConnection, change: &'static str, name: &str) -> Result<u64, Fault> {
    let sql = format!("{change} WHERE person = (SELECT id FROM person WHERE name = $1)");
    Ok(sqlx::query(AssertSqlSafe(sql)).bind(name).execute(db).await?.rows_affected())
}

async fn credentials(db: &mut PgConnection, name: &str) -> Result<Option<Credentials>, Fault> {
    let sql = format!(
        "SELECT {PERSON}, password.hash, factor.sealed, factor.confirmed_at IS NOT NULL,
             (SELECT count(*) FROM recovery_code WHERE recovery_code.person = person.id)
         FROM person LEFT JOIN password ON password.person = person.id LEFT JOIN factor ON factor.person = person.name
         WHERE person.name = $1"
    );
    let Some(row) = sqlx::query(AssertSqlSafe(sql)).bind(name).fetch_optional(db).await? else { return Ok(None) };
    let sealed: Option<Vec<u8>> = row.try_get(6)?;
    let (is_confirmed, codes_left) = (row.try_get(7)?, row.try_get::<i64, _>(8)?);
    let codes_left = u32::try_from(codes_left).unwrap_or(u32::MAX);
    let factor = sealed.map(|sealed| Factor { sealed, is_confirmed, codes_left });
    Ok(Some(Credentials { person: person(&row, 0)?, password: row.try_get(5)?, factor }))
}

async fn ways_in(db: &mut PgConnection) -> Result<Vec<WaysIn>, Fault> {
    let rows = sqlx::query(
        "SELECT name, password.person IS NOT NULL, factor.confirmed_at IS NOT NULL
         FROM person LEFT JOIN password ON password.person = person.id LEFT JOIN factor ON factor.person = person.name
         ORDER BY name",
    )
    .fetch_all(db)
    .await?;
    let way = |row: &PgRow| {
        Ok(WaysIn { person: row.try_get(0)?, has_password: row.try_get(1)?, has_factor: row.try_get(2)? })
    };
    rows.iter().map(way).collect()
}

async fn set_password(db: &mut PgConnection, name: &str, hash: &str, at: Millis) -> Result<bool, Fault> {
    let sql = "INSERT INTO password (person, hash, changed_at) SELECT id, $2, $3 FROM person WHERE name = $1
               ON CONFLICT (person) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at";
    let set = sqlx::query(sql).bind(name).bind(hash).bind(at).execute(&mut *db).await?;
    let is_set = set.rows_affected() == 1;
    if is_set {
        end_all(db, name).await?;
    }
    Ok(is_set)
}

/// Ends all sessions and links of somebody.
pub(super) async fn end_all(db: &mut PgConnection, name: &str) -> Result<(), Fault> {
    of_person(db, "DELETE FROM session", name).await?;
    of_person(db, "DELETE FROM link", name).await?;
    Ok(())
}

async fn add_link(db: &mut PgConnection, link: &NewLink, audit: &AuditEntry) -> Result<bool, Fault> {
    sqlx::query("DELETE FROM link WHERE expires_at <= $1").bind(audit.at).execute(&mut *db).await?;
    let sql = match &link.person {
        None => "INSERT INTO link (hash, expires_at) SELECT $2, $3 WHERE $1::text IS NULL",
        Some(_) => "INSERT INTO link (hash, person, expires_at) SELECT $2, id, $3 FROM person WHERE name = $1",
    };
    let added = sqlx::query(sql).bind(&link.person).bind(&link.hash[..]).bind(link.expires_at);
    let is_added = added.execute(&mut *db).await?.rows_affected() == 1;
    recorded(db, is_added, audit).await
}

async fn link(db: &mut PgConnection, hash: &[u8; 32], now: Millis) -> Result<Option<Option<String>>, Fault> {
    let sql = "SELECT person.name FROM link LEFT JOIN person ON person.id = link.person
               WHERE hash = $1 AND expires_at > $2";
    let row = sqlx::query(sql).bind(&hash[..]).bind(now).fetch_optional(db).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn use_link(db: &mut PgConnection, used: &LinkUse, audit: &AuditEntry) -> Result<bool, Fault> {
    // Locked, so that of two who use one link at once one comes too late.
    sqlx::query("SELECT 1 FROM link WHERE hash = $1 FOR UPDATE").bind(&used.hash[..]).execute(&mut *db).await?;
    match link(db, &used.hash, audit.at).await? {
        Some(Some(name)) if name == used.person => {}
        Some(None) if is_untouched(db).await? => {
            sqlx::query("DELETE FROM link WHERE person IS NULL").execute(&mut *db).await?;
            let (name, created_at) = (used.person.clone(), audit.at);
            let first = Person { name, role: Role::Admin, sees_payloads: true, is_disabled: false, created_at };
            let added = AuditEntry { what: "person.write".to_owned(), ..audit.clone() };
            write_person(db, &first, &added).await?;
        }
        _ => return Ok(false),
    }
    set_password(db, &used.person, &used.password, audit.at).await?;
    recorded(db, true, audit).await
}

/// Whether nobody can come in yet.
async fn is_untouched(db: &mut PgConnection) -> Result<bool, Fault> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM password) AND NOT EXISTS (SELECT 1 FROM token)";
    Ok(sqlx::query(sql).fetch_one(db).await?.try_get(0)?)
}

async fn begin(db: &mut PgConnection, new: &NewSession, audit: &AuditEntry) -> Result<(), Fault> {
    let ended = "DELETE FROM session WHERE expires_at <= $1 OR used_at <= $2 OR id = $3";
    sqlx::query(ended).bind(audit.at).bind(new.unused_since).bind(new.replaces).execute(&mut *db).await?;
    sqlx::query(
        "INSERT INTO session (person, hash, created_at, used_at, expires_at, origin, agent)
         SELECT id, $2, $3, $3, $4, $5, $6 FROM person WHERE name = $1",
    )
    .bind(&new.person)
    .bind(&new.hash[..])
    .bind(audit.at)
    .bind(new.expires_at)
    .bind(&new.origin)
    .bind(&new.agent)
    .execute(&mut *db)
    .await?;
    record(db, from_ref(audit)).await
}

async fn signed_in(db: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<SignedIn>, Fault> {
    let sql =
        format!("SELECT {SESSION}, {PERSON} FROM session JOIN person ON person.id = session.person WHERE hash = $1");
    let found = sqlx::query(AssertSqlSafe(sql)).bind(&hash[..]).fetch_optional(db).await?;
    found.map(|row| Ok(SignedIn { session: session(&row)?, person: person(&row, 7)? })).transpose()
}

async fn confirm_factor(
    db: &mut PgConnection,
    name: &str,
    step: i64,
    codes: &[[u8; 32]],
    audit: &AuditEntry,
) -> Result<bool, Fault> {
    let sql = "UPDATE factor SET confirmed_at = $2, last_step = $3 WHERE person = $1 AND confirmed_at IS NULL";
    let confirmed = sqlx::query(sql).bind(name).bind(audit.at).bind(step).execute(&mut *db).await?;
    if confirmed.rows_affected() != 1 {
        return Ok(false);
    }
    of_person(db, "DELETE FROM recovery_code", name).await?;
    for code in codes {
        let sql = "INSERT INTO recovery_code (person, hash) SELECT id, $2 FROM person WHERE name = $1";
        sqlx::query(sql).bind(name).bind(&code[..]).execute(&mut *db).await?;
    }
    recorded(db, true, audit).await
}

fn session(row: &PgRow) -> Result<Session, Fault> {
    Ok(Session {
        id: row.try_get(0)?,
        person: row.try_get(1)?,
        created_at: row.try_get(2)?,
        used_at: row.try_get(3)?,
        expires_at: row.try_get(4)?,
        origin: row.try_get(5)?,
        agent: row.try_get(6)?,
    })
}
