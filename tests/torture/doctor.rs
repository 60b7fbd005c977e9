//! The store of a server that was killed, as `rulerun doctor` sees it: whatever was interrupted,
//! all its rows must agree.

use crate::binary::rulerun;
use crate::tally::Tally;
use crate::world::World;

/// Has the store looked at, which no server may use at the moment.
pub(crate) fn look(world: &World, tally: &mut Tally) {
    let mut command = rulerun();
    command.current_dir(&world.folder).env("CRM_URL", world.sink.url());
    command.args(["doctor", "--format", "json", "--data"]).arg(&world.data);
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let said: serde_json::Value = serde_json::from_str(&told).unwrap_or_default();
    tally.must(output.status.success() && said["sound"] == true, || {
        format!("the doctor finds: {told}{}", String::from_utf8_lossy(&output.stderr))
    });
    tally.examined += 1;
}
