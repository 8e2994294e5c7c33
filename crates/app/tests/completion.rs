//! What shells and readers of manuals need.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a panic is how a test fails; tests read files")]

mod world;

use world::World;

#[test]
fn shells_complete_and_manuals_are_written() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.run(&["completion", shell]).expect(0).stdout;
        assert!(script.contains("tramontane") && script.contains("schedules"), "{shell}");
    }
    world.run(&["completion", "cmd"]).expect(2);
    assert!(world.run(&["man"]).expect(0).stdout.starts_with(".ie"));
    world.run(&["man", "--out", "pages"]).expect(0);
    let pages = std::fs::read_dir(world.path("pages")).unwrap().count();
    assert!(pages > 40, "{pages}");
    assert!(std::fs::read_to_string(world.path("pages/tramontane-tasks-list.1")).unwrap().contains("newest first"));
}
