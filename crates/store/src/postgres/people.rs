//! People, their tokens, and what they did.

use super::fault::Fault;
use super::sign_in;
use crate::people::{last_admin, read_scope, scope_text};
use crate::{AccessToken, AuditEntry, AuditFilter, Bearer, NewAccessToken, Person, StoreError};
use model::{Millis, Role, Scope};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

/// Columns of a person.
pub(super) const PERSON: &str = "person.name, person.role, person.sees_payloads, person.is_disabled, person.created_at";
const TOKEN: &str = "token.id, person.name, token.label, token.role, token.scope, token.created_at, token.used_at,
                     token.expires_at";

pub(super) async fn all(db: &mut PgConnection) -> Result<Vec<Person>, Fault> {
    let sql = format!("SELECT {PERSON} FROM person ORDER BY person.name");
    sqlx::query(AssertSqlSafe(sql)).fetch_all(db).await?.iter().map(|row| person(row, 0)).collect()
}

/// Adds or changes one. Who may not come in any more has no session left.
///
/// # Errors
/// `last_admin`
pub(super) async fn write(db: &mut PgConnection, person: &Person, audit: &AuditEntry) -> Result<(), Fault> {
    if person.role != Role::Admin || person.is_disabled {
        // Locked, so that of two who step down at once one stays.
        let admins =
            sqlx::query("SELECT name FROM person WHERE role = 'admin' AND NOT is_disabled ORDER BY id FOR UPDATE");
        let admins = admins.fetch_all(&mut *db).await?;
        if let [only] = &admins[..]
            && only.try_get::<&str, _>(0)? == person.name
        {
            return Err(last_admin(&person.name).into());
        }
    }
    sqlx::query(
        "INSERT INTO person (name, role, sees_payloads, is_disabled, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name) DO UPDATE SET role = excluded.role, sees_payloads = excluded.sees_payloads,
             is_disabled = excluded.is_disabled",
    )
    .bind(&person.name)
    .bind(person.role.as_str())
    .bind(person.sees_payloads)
    .bind(person.is_disabled)
    .bind(person.created_at)
    .execute(&mut *db)
    .await?;
    if person.is_disabled {
        sign_in::end_all(db, &person.name).await?;
    }
    record(db, std::slice::from_ref(audit)).await
}

pub(super) async fn tokens(db: &mut PgConnection) -> Result<Vec<AccessToken>, Fault> {
    let sql = format!("SELECT {TOKEN} FROM token JOIN person ON person.id = token.person ORDER BY token.id");
    sqlx::query(AssertSqlSafe(sql)).fetch_all(db).await?.iter().map(token).collect()
}

/// Makes a token; `None` where there is no such person.
pub(super) async fn add_token(
    db: &mut PgConnection,
    new: &NewAccessToken,
    audit: &AuditEntry,
) -> Result<Option<i64>, Fault> {
    let added = sqlx::query(
        "INSERT INTO token (person, label, role, scope, hash, created_at, expires_at)
         SELECT id, $2, $3, $4, $5, $6, $7 FROM person WHERE name = $1 RETURNING id",
    )
    .bind(&new.person)
    .bind(&new.label)
    .bind(new.role.as_str())
    .bind(scope_text(&new.scope))
    .bind(&new.hash[..])
    .bind(audit.at)
    .bind(new.expires_at)
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = added else { return Ok(None) };
    record(db, std::slice::from_ref(audit)).await?;
    Ok(Some(row.try_get(0)?))
}

/// Deletes one; `false` where it is not there.
pub(super) async fn delete_token(db: &mut PgConnection, id: i64, audit: &AuditEntry) -> Result<bool, Fault> {
    let deleted = sqlx::query("DELETE FROM token WHERE id = $1").bind(id).execute(&mut *db).await?;
    let is_deleted = deleted.rows_affected() == 1;
    if is_deleted {
        record(db, std::slice::from_ref(audit)).await?;
    }
    Ok(is_deleted)
}

/// Whose token has this hash, whether it counts or not.
pub(super) async fn bearer(db: &mut PgConnection, hash: &[u8; 32]) -> Result<Option<Bearer>, Fault> {
    let sql = format!("SELECT {TOKEN}, {PERSON} FROM token JOIN person ON person.id = token.person WHERE hash = $1");
    let found = sqlx::query(AssertSqlSafe(sql)).bind(&hash[..]).fetch_optional(db).await?;
    found.map(|row| Ok(Bearer { token: token(&row)?, person: person(&row, 8)? })).transpose()
}

pub(super) async fn used(db: &mut PgConnection, token: i64, at: Millis) -> Result<(), Fault> {
    let sql = "UPDATE token SET used_at = greatest(coalesce(used_at, 0), $2) WHERE id = $1";
    sqlx::query(sql).bind(token).bind(at).execute(db).await?;
    Ok(())
}

pub(super) async fn record(db: &mut PgConnection, entries: &[AuditEntry]) -> Result<(), Fault> {
    for entry in entries {
        sqlx::query("INSERT INTO audit (at, who, origin, what, subject, details) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(entry.at)
            .bind(&entry.who)
            .bind(&entry.origin)
            .bind(&entry.what)
            .bind(&entry.subject)
            .bind(&entry.details)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

pub(super) async fn find(db: &mut PgConnection, filter: &AuditFilter) -> Result<Vec<AuditEntry>, Fault> {
    let rows = sqlx::query(
        "SELECT id, at, who, origin, what, subject, details FROM audit
         WHERE id < $1 AND ($2::text IS NULL OR who = $2) AND ($3::text IS NULL OR what = $3)
           AND ($4::text IS NULL OR subject = $4) AND at >= $5 AND at < $6 ORDER BY id DESC LIMIT $7",
    )
    .bind(filter.before.unwrap_or(i64::MAX))
    .bind(&filter.who)
    .bind(&filter.what)
    .bind(&filter.subject)
    .bind(filter.since.unwrap_or(i64::MIN))
    .bind(filter.until.unwrap_or(i64::MAX))
    .bind(i64::from(filter.limit.min(1_000)))
    .fetch_all(db)
    .await?;
    let entry = |row: &PgRow| {
        Ok(AuditEntry {
            id: row.try_get(0)?,
            at: row.try_get(1)?,
            who: row.try_get(2)?,
            origin: row.try_get(3)?,
            what: row.try_get(4)?,
            subject: row.try_get(5)?,
            details: row.try_get(6)?,
        })
    };
    rows.iter().map(entry).collect()
}

pub(super) fn person(row: &PgRow, at: usize) -> Result<Person, Fault> {
    Ok(Person {
        name: row.try_get(at)?,
        role: role(row, at + 1)?,
        sees_payloads: row.try_get(at + 2)?,
        is_disabled: row.try_get(at + 3)?,
        created_at: row.try_get(at + 4)?,
    })
}

fn token(row: &PgRow) -> Result<AccessToken, Fault> {
    Ok(AccessToken {
        id: row.try_get(0)?,
        person: row.try_get(1)?,
        label: row.try_get(2)?,
        role: role(row, 3)?,
        scope: scope(row, 4)?,
        created_at: row.try_get(5)?,
        used_at: row.try_get(6)?,
        expires_at: row.try_get(7)?,
    })
}

fn role(row: &PgRow, at: usize) -> Result<Role, Fault> {
    let word: String = row.try_get(at)?;
    Role::from_word(&word).ok_or_else(|| StoreError::Database(format!("\"{word}\" is no role")).into())
}

fn scope(row: &PgRow, at: usize) -> Result<Vec<Scope>, Fault> {
    let words: String = row.try_get(at)?;
    read_scope(&words).ok_or_else(|| StoreError::Database(format!("\"{words}\" is no scope")).into())
}
