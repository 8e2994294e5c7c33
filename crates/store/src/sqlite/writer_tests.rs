use super::*;

/// A writer on a database with a table `number (value unique)` and a rule that only a commit checks.
fn writer() -> (Writer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let db = Connection::open(folder.path().join("test.db")).unwrap();
    db.execute_batch(
        "PRAGMA foreign_keys = ON;
         CREATE TABLE number (value INTEGER PRIMARY KEY,
                              of INTEGER REFERENCES number DEFERRABLE INITIALLY DEFERRED);
         CREATE TABLE filler (bytes BLOB);",
    )
    .unwrap();
    (Writer::start(db).unwrap(), folder)
}

fn add(write: &mut Write<'_>, value: i64) -> Result<(), StoreError> {
    write.db.execute("INSERT INTO number (value) VALUES (?1)", [value])?;
    Ok(())
}

async fn numbers(writer: &Writer) -> Vec<i64> {
    let all = |write: &mut Write<'_>| {
        let mut statement = write.db.prepare("SELECT value FROM number ORDER BY value")?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    };
    writer.write(all).await.unwrap()
}

/// Keeps the thread busy with a first operation until the others are queued, so that they become one group.
async fn as_one_group<T>(writer: &Writer, group: impl Future<Output = T>) -> T {
    let (go, wait) = channel::<()>();
    let (begin, begun) = oneshot::channel::<()>();
    let first = writer.write(move |_| {
        begin.send(()).unwrap();
        wait.recv().unwrap();
        Ok(())
    });
    let others = async move {
        begun.await.unwrap();
        // `join!` asks in order, and an operation is queued when it is first asked.
        tokio::join!(group, async move { go.send(()).unwrap() }).0
    };
    let (first, answers) = tokio::join!(first, others);
    first.unwrap();
    answers
}

#[tokio::test]
async fn what_waits_is_committed_at_once() {
    let (writer, _folder) = writer();
    let before = writer.commits();
    let four = async {
        tokio::join!(
            writer.write(|write| add(write, 1)),
            writer.write(|write| add(write, 2)),
            writer.write(|write| add(write, 3)),
            writer.write(|write| add(write, 4)),
        )
    };
    let (a, b, c, d) = as_one_group(&writer, four).await;
    assert!([a, b, c, d].iter().all(Result::is_ok));
    assert_eq!(writer.commits() - before, 2, "the first by itself, the others together");
    assert_eq!(numbers(&writer).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn an_operation_that_fails_half_way_is_undone_alone() {
    let (writer, _folder) = writer();
    let group = async {
        tokio::join!(
            writer.write(|write| add(write, 1)),
            writer.write(|write| {
                write.changes.born(1, 1, model::TaskState::New);
                add(write, 2)?;
                add(write, 1)
            }),
            writer.write(|write| add(write, 3)),
        )
    };
    let (one, two, three) = as_one_group(&writer, group).await;
    assert!(one.is_ok() && three.is_ok());
    assert!(two.unwrap_err().to_string().contains("UNIQUE"));
    assert_eq!(numbers(&writer).await, [1, 3], "and what it counted is forgotten too: there is no table to save it in");
}

#[tokio::test]
async fn a_commit_that_fails_fails_everything_in_it() {
    let (writer, _folder) = writer();
    let group = async {
        tokio::join!(
            writer.write(|write| add(write, 1)),
            writer.write(|write| Ok(write.db.execute("INSERT INTO number VALUES (2, 99)", [])?)),
        )
    };
    let (one, two) = as_one_group(&writer, group).await;
    for error in [one.unwrap_err(), two.unwrap_err()] {
        assert!(error.to_string().starts_with("the commit failed: FOREIGN KEY"), "{error}");
    }
    assert_eq!(numbers(&writer).await, Vec::<i64>::new());
    writer.write(|write| add(write, 5)).await.unwrap();
    assert_eq!(numbers(&writer).await, [5], "the next one is not harmed");
}

#[tokio::test]
async fn a_full_disk_fails_clearly_and_harms_nothing() {
    let (writer, _folder) = writer();
    writer.write(|write| add(write, 1)).await.unwrap();
    let shrink = |write: &mut Write<'_>| Ok(write.db.query_row("PRAGMA max_page_count = 20", [], |_| Ok(()))?);
    writer.write(shrink).await.unwrap();
    let group = async {
        tokio::join!(
            writer.write(|write| add(write, 2)),
            writer.write(|write| Ok(write.db.execute("INSERT INTO filler VALUES (zeroblob(1000000))", [])?)),
            writer.write(|write| add(write, 3)),
        )
    };
    let (two, full, three) = as_one_group(&writer, group).await;
    assert!(full.unwrap_err().to_string().contains("full"));
    let expected = [Some(1), two.ok().map(|()| 2), three.ok().map(|()| 3)].into_iter().flatten();
    assert_eq!(numbers(&writer).await, expected.collect::<Vec<_>>(), "what was answered, and nothing else");
    writer.write(|write| add(write, 4)).await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_the_database_gave_up_fails_everything_in_it() {
    let (writer, _folder) = writer();
    let group = async {
        tokio::join!(
            writer.write(|write| add(write, 1)),
            writer.write(|write| {
                write.db.execute_batch("ROLLBACK")?;
                Err::<(), _>(StoreError::Database("given up".to_owned()))
            }),
            writer.write(|write| add(write, 3)),
        )
    };
    let (one, two, three) = as_one_group(&writer, group).await;
    assert!(one.unwrap_err().to_string().starts_with("the transaction failed"));
    assert_eq!(two.unwrap_err().to_string(), "given up");
    assert!(three.unwrap_err().to_string().starts_with("the transaction failed"));
    assert_eq!(numbers(&writer).await, Vec::<i64>::new());
}

#[tokio::test]
async fn nobody_needs_to_wait_for_the_answer() {
    let (writer, folder) = writer();
    let asked = async {
        let mut forgotten = std::pin::pin!(writer.write(|write| add(write, 7)));
        // Asked once, then dropped.
        tokio::select! { biased; _ = &mut forgotten => {}, () = std::future::ready(()) => {} }
    };
    asked.await;
    drop(writer);
    let db = Connection::open(folder.path().join("test.db")).unwrap();
    let found: i64 = db.query_row("SELECT value FROM number", [], |row| row.get(0)).unwrap();
    assert_eq!(found, 7, "dropping the writer finishes what is queued");
}

#[tokio::test]
async fn a_thread_that_is_gone_is_said_to_be() {
    let (writer, _folder) = writer();
    let lost = writer.write(|_| -> Result<(), StoreError> { panic!("on purpose") }).await;
    assert!(matches!(lost, Err(StoreError::Closed)));
    assert!(matches!(writer.write(|write| add(write, 1)).await, Err(StoreError::Closed)));
}
