//! People, their tokens, and what they did.

use super::sign_in;
use crate::people::{last_admin, read_scope, scope_text};
use crate::{AccessToken, AuditEntry, AuditFilter, Bearer, NewAccessToken, Person, StoreError};
use model::{Millis, Role, Scope};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Columns of a person from this one on.
pub(super) const PERSON: &str = "person.name, person.role, person.sees_payloads, person.is_disabled, person.created_at";
const TOKEN: &str = "token.id, person.name, token.label, token.role, token.scope, token.created_at, token.used_at,
                     token.expires_at";

pub(super) fn all(db: &Connection) -> Result<Vec<Person>, StoreError> {
    let mut found = db.prepare_cached(&format!("SELECT {PERSON} FROM person ORDER BY name"))?;
    Ok(found.query_map([], |row| person(row, 0))?.collect::<Result<_, _>>()?)
}

/// Adds or changes one. Who may not come in any more has no session left.
///
/// # Errors
/// `last_admin`
pub(super) fn write(db: &Connection, person: &Person, audit: &AuditEntry) -> Result<(), StoreError> {
    if person.role != Role::Admin || person.is_disabled {
        let mut admins = db.prepare_cached("SELECT name FROM person WHERE role = 'admin' AND NOT is_disabled")?;
        let admins: Vec<String> = admins.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        if admins == [person.name.as_str()] {
            return Err(last_admin(&person.name));
        }
    }
    db.prepare_cached(
        "INSERT INTO person (name, role, sees_payloads, is_disabled, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO UPDATE SET role = excluded.role, sees_payloads = excluded.sees_payloads,
             is_disabled = excluded.is_disabled",
    )?
    .execute(params![
        person.name,
        person.role.as_str(),
        person.sees_payloads,
        person.is_disabled,
        person.created_at
    ])?;
    if person.is_disabled {
        sign_in::end_all(db, &person.name)?;
    }
    record(db, std::slice::from_ref(audit))
}

pub(super) fn tokens(db: &Connection) -> Result<Vec<AccessToken>, StoreError> {
    let sql = format!("SELECT {TOKEN} FROM token JOIN person ON person.id = token.person ORDER BY token.id");
    let mut found = db.prepare_cached(&sql)?;
    Ok(found.query_map([], token)?.collect::<Result<_, _>>()?)
}

/// Makes a token; `None` where there is no such person.
pub(super) fn add_token(db: &Connection, new: &NewAccessToken, audit: &AuditEntry) -> Result<Option<i64>, StoreError> {
    let added = db
        .prepare_cached(
            "INSERT INTO token (person, label, role, scope, hash, created_at, expires_at)
             SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM person WHERE name = ?1 RETURNING id",
        )?
        .query_row(
            params![
                new.person,
                new.label,
                new.role.as_str(),
                scope_text(&new.scope),
                new.hash,
                audit.at,
                new.expires_at
            ],
            |row| row.get(0),
        )
        .optional()?;
    if added.is_some() {
        record(db, std::slice::from_ref(audit))?;
    }
    Ok(added)
}

/// Deletes one; `false` where it is not there.
pub(super) fn delete_token(db: &Connection, id: i64, audit: &AuditEntry) -> Result<bool, StoreError> {
    let is_deleted = db.prepare_cached("DELETE FROM token WHERE id = ?1")?.execute([id])? == 1;
    if is_deleted {
        record(db, std::slice::from_ref(audit))?;
    }
    Ok(is_deleted)
}

/// Whose token has this hash, whether it counts or not.
pub(super) fn bearer(db: &Connection, hash: &[u8; 32]) -> Result<Option<Bearer>, StoreError> {
    let sql = format!("SELECT {TOKEN}, {PERSON} FROM token JOIN person ON person.id = token.person WHERE hash = ?1");
    let found = db
        .prepare_cached(&sql)?
        .query_row([hash], |row| Ok(Bearer { token: token(row)?, person: person(row, 8)? }))
        .optional()?;
    Ok(found)
}

pub(super) fn used(db: &Connection, token: i64, at: Millis) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE token SET used_at = max(coalesce(used_at, 0), ?2) WHERE id = ?1")?
        .execute([token, at])?;
    Ok(())
}

pub(super) fn record(db: &Connection, entries: &[AuditEntry]) -> Result<(), StoreError> {
    let mut insert = db.prepare_cached(
        "INSERT INTO audit (at, who, origin, what, subject, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for entry in entries {
        insert.execute(params![entry.at, entry.who, entry.origin, entry.what, entry.subject, entry.details])?;
    }
    Ok(())
}

pub(super) fn find(db: &Connection, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
    let mut found = db.prepare_cached(
        "SELECT id, at, who, origin, what, subject, details FROM audit
         WHERE id < ?1 AND (?2 IS NULL OR who = ?2) AND (?3 IS NULL OR what = ?3) AND (?4 IS NULL OR subject = ?4)
           AND at >= ?5 AND at < ?6 ORDER BY id DESC LIMIT ?7",
    )?;
    let asked = params![
        filter.before.unwrap_or(i64::MAX),
        filter.who,
        filter.what,
        filter.subject,
        filter.since.unwrap_or(i64::MIN),
        filter.until.unwrap_or(i64::MAX),
        filter.limit.min(1_000)
    ];
    let entries = found.query_map(asked, |row| {
        Ok(AuditEntry {
            id: row.get(0)?,
            at: row.get(1)?,
            who: row.get(2)?,
            origin: row.get(3)?,
            what: row.get(4)?,
            subject: row.get(5)?,
            details: row.get(6)?,
        })
    })?;
    Ok(entries.collect::<Result<_, _>>()?)
}

pub(super) fn person(row: &Row<'_>, at: usize) -> rusqlite::Result<Person> {
    Ok(Person {
        name: row.get(at)?,
        role: role(row, at + 1)?,
        sees_payloads: row.get(at + 2)?,
        is_disabled: row.get(at + 3)?,
        created_at: row.get(at + 4)?,
    })
}

fn token(row: &Row<'_>) -> rusqlite::Result<AccessToken> {
    Ok(AccessToken {
        id: row.get(0)?,
        person: row.get(1)?,
        label: row.get(2)?,
        role: role(row, 3)?,
        scope: scope(row, 4)?,
        created_at: row.get(5)?,
        used_at: row.get(6)?,
        expires_at: row.get(7)?,
    })
}

fn role(row: &Row<'_>, at: usize) -> rusqlite::Result<Role> {
    let word: String = row.get(at)?;
    let unknown = || rusqlite::Error::InvalidColumnType(at, word.clone(), rusqlite::types::Type::Text);
    Role::from_word(&word).ok_or_else(unknown)
}

fn scope(row: &Row<'_>, at: usize) -> rusqlite::Result<Vec<Scope>> {
    let words: String = row.get(at)?;
    let unknown = || rusqlite::Error::InvalidColumnType(at, words.clone(), rusqlite::types::Type::Text);
    read_scope(&words).ok_or_else(unknown)
}
