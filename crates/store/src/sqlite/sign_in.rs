//! How people sign in, and where they are signed in.

use super::SqliteStore;
use super::people::{PERSON, person, record, write as write_person};
use super::secrets::take;
use crate::seal::Sealed;
use crate::{
    AuditEntry, Credentials, Factor, LinkUse, NewLink, NewSession, Person, Session, SignIn, SignedIn, StoreError,
    WaysIn,
};
use async_trait::async_trait;
use model::{Millis, Role};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use std::slice::from_ref;

const SESSION: &str = "session.id, person.name, session.created_at, session.used_at, session.expires_at,
                       session.origin, session.agent";
/// The number of somebody, by their name.
const NAMED: &str = "(SELECT id FROM person WHERE name = ?1)";

#[async_trait]
impl SignIn for SqliteStore {
    async fn credentials(&self, name: String) -> Result<Option<Credentials>, StoreError> {
        self.read(move |db| credentials(db, &name)).await
    }

    async fn ways_in(&self) -> Result<Vec<WaysIn>, StoreError> {
        self.read(ways_in).await
    }

    async fn set_password(&self, name: String, hash: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.write(move |write| {
            let is_set = set_password(write.db, &name, &hash, audit.at)?;
            recorded(write.db, is_set, &audit)
        })
        .await
    }

    async fn add_link(&self, link: NewLink, audit: AuditEntry) -> Result<bool, StoreError> {
        self.write(move |write| add_link(write.db, &link, &audit)).await
    }

    async fn link(&self, hash: [u8; 32], now: Millis) -> Result<Option<Option<String>>, StoreError> {
        self.read(move |db| link(db, &hash, now)).await
    }

    async fn use_link(&self, used: LinkUse, audit: AuditEntry) -> Result<bool, StoreError> {
        self.write(move |write| use_link(write.db, &used, &audit)).await
    }

    async fn begin_session(&self, new: NewSession, audit: AuditEntry) -> Result<(), StoreError> {
        self.write(move |write| begin(write.db, &new, &audit)).await
    }

    async fn signed_in(&self, hash: [u8; 32]) -> Result<Option<SignedIn>, StoreError> {
        self.read(move |db| signed_in(db, &hash)).await
    }

    async fn session_used(&self, id: i64, at: Millis) -> Result<(), StoreError> {
        let sql = "UPDATE session SET used_at = max(used_at, ?2) WHERE id = ?1";
        self.write(move |write| changes(write.db, sql, params![id, at]).map(|_| ())).await
    }

    async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        self.read(|db| {
            let sql =
                format!("SELECT {SESSION} FROM session JOIN person ON person.id = session.person ORDER BY session.id");
            let mut found = db.prepare_cached(&sql)?;
            Ok(found.query_map([], session)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn end_session(&self, id: i64, audit: AuditEntry) -> Result<bool, StoreError> {
        self.write(move |write| {
            let is_ended = changes(write.db, "DELETE FROM session WHERE id = ?1", [id])? == 1;
            recorded(write.db, is_ended, &audit)
        })
        .await
    }

    async fn offer_factor(&self, name: String, sealed: Sealed) -> Result<bool, StoreError> {
        let sql = "INSERT INTO factor (person, sealed, last_step) SELECT name, ?2, 0 FROM person WHERE name = ?1
                   ON CONFLICT (person) DO UPDATE SET sealed = excluded.sealed WHERE confirmed_at IS NULL";
        self.write(move |write| {
            take(write.db, &sealed)?;
            Ok(changes(write.db, sql, params![name, sealed.value])? == 1)
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
        self.write(move |write| confirm_factor(write.db, &name, step, &codes, &audit)).await
    }

    async fn use_step(&self, name: String, step: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE factor SET last_step = ?2 WHERE person = ?1 AND last_step < ?2";
        self.write(move |write| Ok(changes(write.db, sql, params![name, step])? == 1)).await
    }

    async fn use_code(&self, name: String, hash: [u8; 32]) -> Result<bool, StoreError> {
        let sql = format!("DELETE FROM recovery_code WHERE person = {NAMED} AND hash = ?2");
        self.write(move |write| Ok(changes(write.db, &sql, params![name, hash])? == 1)).await
    }

    async fn remove_factor(&self, name: String, audit: AuditEntry) -> Result<bool, StoreError> {
        self.write(move |write| {
            changes(write.db, &format!("DELETE FROM recovery_code WHERE person = {NAMED}"), [&name])?;
            let is_removed = changes(write.db, "DELETE FROM factor WHERE person = ?1", [&name])? == 1;
            recorded(write.db, is_removed, &audit)
        })
        .await
    }
}

/// Records what was done, where it was.
fn recorded(db: &Connection, is_done: bool, audit: &AuditEntry) -> Result<bool, StoreError> {
    if is_done {
        record(db, from_ref(audit))?;
    }
    Ok(is_done)
}

fn changes(db: &Connection, sql: &str, given: impl Params) -> Result<usize, StoreError> {
    Ok(db.prepare_cached(sql)?.execute(given)?)
}

fn credentials(db: &Connection, name: &str) -> Result<Option<Credentials>, StoreError> {
    let sql = format!(
        "SELECT {PERSON}, password.hash, factor.sealed, factor.confirmed_at IS NOT NULL,
             (SELECT count(*) FROM recovery_code WHERE recovery_code.person = person.id)
         FROM person LEFT JOIN password ON password.person = person.id LEFT JOIN factor ON factor.person = person.name
         WHERE name = ?1"
    );
    let found = db.prepare_cached(&sql)?.query_row([name], |row| {
        let sealed: Option<Vec<u8>> = row.get(6)?;
        let (is_confirmed, codes_left) = (row.get(7)?, row.get(8)?);
        let factor = sealed.map(|sealed| Factor { sealed, is_confirmed, codes_left });
        Ok(Credentials { person: person(row, 0)?, password: row.get(5)?, factor })
    });
    Ok(found.optional()?)
}

fn ways_in(db: &Connection) -> Result<Vec<WaysIn>, StoreError> {
    let mut found = db.prepare_cached(
        "SELECT name, password.person IS NOT NULL, factor.confirmed_at IS NOT NULL
         FROM person LEFT JOIN password ON password.person = person.id LEFT JOIN factor ON factor.person = person.name
         ORDER BY name",
    )?;
    let ways = found
        .query_map([], |row| Ok(WaysIn { person: row.get(0)?, has_password: row.get(1)?, has_factor: row.get(2)? }))?;
    Ok(ways.collect::<Result<_, _>>()?)
}

fn set_password(db: &Connection, name: &str, hash: &str, at: Millis) -> Result<bool, StoreError> {
    let sql = "INSERT INTO password (person, hash, changed_at) SELECT id, ?2, ?3 FROM person WHERE name = ?1
               ON CONFLICT (person) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at";
    let is_set = changes(db, sql, params![name, hash, at])? == 1;
    if is_set {
        end_all(db, name)?;
    }
    Ok(is_set)
}

/// Ends all sessions and links of somebody.
pub(super) fn end_all(db: &Connection, name: &str) -> Result<(), StoreError> {
    changes(db, &format!("DELETE FROM session WHERE person = {NAMED}"), [name])?;
    changes(db, &format!("DELETE FROM link WHERE person = {NAMED}"), [name])?;
    Ok(())
}

fn add_link(db: &Connection, link: &NewLink, audit: &AuditEntry) -> Result<bool, StoreError> {
    changes(db, "DELETE FROM link WHERE expires_at <= ?1", [audit.at])?;
    let added = match &link.person {
        None => {
            changes(db, "INSERT INTO link (hash, expires_at) VALUES (?1, ?2)", params![link.hash, link.expires_at])?
        }
        Some(name) => changes(
            db,
            "INSERT INTO link (hash, person, expires_at) SELECT ?2, id, ?3 FROM person WHERE name = ?1",
            params![name, link.hash, link.expires_at],
        )?,
    };
    recorded(db, added == 1, audit)
}

fn link(db: &Connection, hash: &[u8; 32], now: Millis) -> Result<Option<Option<String>>, StoreError> {
    let sql = "SELECT person.name FROM link LEFT JOIN person ON person.id = link.person
               WHERE hash = ?1 AND expires_at > ?2";
    Ok(db.prepare_cached(sql)?.query_row(params![hash, now], |row| row.get(0)).optional()?)
}

fn use_link(db: &Connection, used: &LinkUse, audit: &AuditEntry) -> Result<bool, StoreError> {
    match link(db, &used.hash, audit.at)? {
        Some(Some(name)) if name == used.person => {}
        Some(None) if is_untouched(db)? => {
            changes(db, "DELETE FROM link WHERE person IS NULL", [])?;
            let (name, created_at) = (used.person.clone(), audit.at);
            let first = Person { name, role: Role::Admin, sees_payloads: true, is_disabled: false, created_at };
            let added = AuditEntry { what: "person.write".to_owned(), ..audit.clone() };
            write_person(db, &first, &added)?;
        }
        _ => return Ok(false),
    }
    set_password(db, &used.person, &used.password, audit.at)?;
    recorded(db, true, audit)
}

/// Whether nobody can come in yet.
fn is_untouched(db: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM password) AND NOT EXISTS (SELECT 1 FROM token)";
    Ok(db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

fn begin(db: &Connection, new: &NewSession, audit: &AuditEntry) -> Result<(), StoreError> {
    let ended = "DELETE FROM session WHERE expires_at <= ?1 OR used_at <= ?2 OR id = ?3";
    changes(db, ended, params![audit.at, new.unused_since, new.replaces])?;
    let sql = "INSERT INTO session (person, hash, created_at, used_at, expires_at, origin, agent)
               SELECT id, ?2, ?3, ?3, ?4, ?5, ?6 FROM person WHERE name = ?1";
    changes(db, sql, params![new.person, new.hash, audit.at, new.expires_at, new.origin, new.agent])?;
    record(db, from_ref(audit))
}

fn signed_in(db: &Connection, hash: &[u8; 32]) -> Result<Option<SignedIn>, StoreError> {
    let sql =
        format!("SELECT {SESSION}, {PERSON} FROM session JOIN person ON person.id = session.person WHERE hash = ?1");
    let mut found = db.prepare_cached(&sql)?;
    let found = found.query_row([hash], |row| Ok(SignedIn { session: session(row)?, person: person(row, 7)? }));
    Ok(found.optional()?)
}

fn confirm_factor(
    db: &Connection,
    name: &str,
    step: i64,
    codes: &[[u8; 32]],
    audit: &AuditEntry,
) -> Result<bool, StoreError> {
    let sql = "UPDATE factor SET confirmed_at = ?2, last_step = ?3 WHERE person = ?1 AND confirmed_at IS NULL";
    if changes(db, sql, params![name, audit.at, step])? != 1 {
        return Ok(false);
    }
    changes(db, &format!("DELETE FROM recovery_code WHERE person = {NAMED}"), [name])?;
    let sql = format!("INSERT INTO recovery_code (person, hash) VALUES ({NAMED}, ?2)");
    for code in codes {
        changes(db, &sql, params![name, code])?;
    }
    recorded(db, true, audit)
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get(0)?,
        person: row.get(1)?,
        created_at: row.get(2)?,
        used_at: row.get(3)?,
        expires_at: row.get(4)?,
        origin: row.get(5)?,
        agent: row.get(6)?,
    })
}
