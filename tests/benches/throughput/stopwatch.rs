//! Commands timed as whole processes: wall and processor seconds, peak resident memory.

use std::io;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Wall seconds.
    pub(crate) wall: f64,
    /// Processor seconds of all threads, user and system; where the system tells.
    pub(crate) cpu: Option<f64>,
    /// Most resident bytes of one process, where the system tells.
    pub(crate) peak: Option<u64>,
}

/// How often the memory of a running process is asked for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Starts `commands` together and waits for all of them; their output is thrown away. The outputs
/// of runs that fail are an error.
pub(crate) fn time(commands: &mut [Command]) -> io::Result<Run> {
    let before = children_seconds();
    let start = Instant::now();
    let mut running = Vec::new();
    for command in commands.iter_mut() {
        running.push((
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?,
            None,
        ));
    }
    let mut peak = None;
    loop {
        for (child, ended) in &mut running {
            if ended.is_none() {
                peak = peak.max(peak_resident(child.id()));
                *ended = child.try_wait()?;
            }
        }
        if running.iter().all(|(_, ended)| ended.is_some()) {
            break;
        }
        thread::sleep(LOOK_EVERY);
    }
    let wall = start.elapsed().as_secs_f64();
    if let Some(failed) = running
        .iter()
        .find_map(|(_, ended)| ended.filter(|status| !ExitStatus::success(status)))
    {
        return Err(io::Error::other(format!("{:?}: {failed}", commands[0])));
    }
    let cpu = children_seconds()
        .zip(before)
        .map(|(after, before)| after - before);
    Ok(Run { wall, cpu, peak })
}

/// Processor seconds of the children that were waited for (proc(5), cutime and cstime), in clock
/// ticks of 10 ms.
fn children_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(13)? + ticks(14)?) / 100.0)
}

fn peak_resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim()
        .strip_suffix(" kB")?
        .parse::<u64>()
        .ok()
        .map(|kilobytes| kilobytes << 10)
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n.is_multiple_of(2) => (values[half - 1] + values[half]) / 2.0,
        _ => values[half],
    }
}
