//! A sealed recording goes to somebody else's S3 (moto), is opened there by somebody else's cipher, and comes back.

use crate::exchange::{Exchange, free_port, program};
use crate::process::{Process, output, until};
use crate::recordings::{heard, listed, recordings};
use crate::transfers::phone;
use crate::{AGENT_HERTZ, CALLER_HERTZ, SECOND, wanted};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// A bucket, and a user who may use it: one file with the right secret, one with another. From then on signatures are checked.
const PREPARE: &str = r#"
import json, sys, urllib.request, boto3
url, folder = sys.argv[1:]
there = dict(endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
boto3.client("s3", **there).create_bucket(Bucket="calls")
iam = boto3.client("iam", **there)
iam.create_user(UserName="busyhour")
may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="busyhour", PolicyName="all", PolicyDocument=json.dumps(may))
key = iam.create_access_key(UserName="busyhour")["AccessKey"]
for name, secret in [("wrong", "another"), ("right", key["SecretAccessKey"])]:
    with open(f"{folder}/{name}.credentials", "w") as file:
        file.write(f"[default]\naws_access_key_id = {key['AccessKeyId']}\naws_secret_access_key = {secret}\n")
check = urllib.request.Request(url + "/moto-api/reset-auth", b"0", {"Content-Type": "text/plain"}, method="POST")
urllib.request.urlopen(check)
"#;

/// Names and SHA-256 of all there is; the last is written to a file.
const LIST: &str = r#"
import hashlib, sys, boto3
url, file = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
for one in s3.list_objects_v2(Bucket="calls").get("Contents", []):
    object = s3.get_object(Bucket="calls", Key=one["Key"])
    body = object["Body"].read()
    print(one["Key"], hashlib.sha256(body).hexdigest(), object["Metadata"]["sha256"])
    open(file, "wb").write(body)
"#;

/// By the interpreter that runs moto, which has boto3, cryptography and aiortc.
pub(crate) fn python(script: &str) -> Command {
    let found = output(Command::new("sh").args(["-c", "head -1 $(command -v moto_server)"]));
    let mut command = Command::new(found.trim().trim_start_matches("#!"));
    command.args(["-c", script]);
    command
}

struct Moto {
    url: String,
    folder: PathBuf,
    _process: Process,
}

impl Moto {
    fn start(port: u16, folder: &Path) -> Moto {
        let mut command = Command::new("moto_server");
        // Whoever comes before the check begins may do anything.
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).env("INITIAL_NO_AUTH_ACTION_COUNT", "1000000");
        let process = Process::start("moto", folder, &mut command);
        let moto = Moto { url: format!("http://127.0.0.1:{port}"), folder: folder.into(), _process: process };
        until("moto serves", 30 * SECOND, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        moto.python(PREPARE, &[&moto.url, &folder.display().to_string()]);
        moto
    }

    fn python(&self, script: &str, args: &[&str]) -> String {
        let credentials = self.folder.join("right.credentials");
        output(python(script).args(args).env("AWS_SHARED_CREDENTIALS_FILE", credentials))
    }

    /// Name, SHA-256 and the SHA-256 that came with it, of each object.
    fn objects(&self, file: &Path) -> Vec<[String; 3]> {
        let said = self.python(LIST, &[&self.url, &file.display().to_string()]);
        let row = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
        said.lines().map(row).collect()
    }
}

fn counted(exchange: &Exchange, line: &str) -> Option<()> {
    exchange.page("/metrics")?.lines().any(|said| said == line).then_some(())
}

/// The program of docs/recordings.md.
fn documented() -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recordings.md")).unwrap();
    text.split_once("```python\n").unwrap().1.split_once("```").unwrap().0.to_owned()
}

fn call(exchange: &Exchange) {
    let mut agent = phone(exchange, "1001", 27_400, AGENT_HERTZ);
    until("the agent is ready", 10 * SECOND, || (exchange.agents("ready") == 1).then_some(()));
    let mut caller = phone(exchange, "caller", 27_440, CALLER_HERTZ);
    caller.command("dial", &format!("sip:95118@127.0.0.1:{}", exchange.sip));
    caller.hears_of("CALL_ESTABLISHED", 5 * SECOND);
    caller.chooses_an_agent();
    agent.hears_of("CALL_ESTABLISHED", 20 * SECOND);
    thread::sleep(4 * SECOND);
    caller.command("hangup", "");
    agent.hears_of("CALL_CLOSED", 3 * SECOND);
}

#[test]
fn a_sealed_recording_waits_for_storage_is_moved_there_and_is_heard_from_there() {
    if !wanted() {
        return;
    }
    let port = free_port();
    let exchange = Exchange::recording(
        "storage",
        &format!(
            "key_file = \"keys\"\n[upload]\nendpoint = \"http://127.0.0.1:{port}\"\nbucket = \"calls\"\n\
             prefix = \"centre\"\ncredentials = \"s3.credentials\"\nkeep_local = \"0s\""
        ),
    );
    let path = |name: &str| exchange.folder.join(name);
    let text = |name: &str| path(name).display().to_string();
    assert!(exchange.said().contains("the keys in "), "{}", exchange.said());
    output(program().args(["recordings", "key", &text("keys")]));
    let nobodys = || fs::write(path("s3.credentials"), "aws_access_key_id = a\naws_secret_access_key = b\n").unwrap();
    nobodys();
    call(&exchange);
    let one = until("the conversation is filed", 10 * SECOND, || {
        listed(&exchange, &["list"]).pop().filter(|one| one["state"] == "complete")
    });
    let (tape, sha256) = (one["tape"].to_string(), one["sha256"].as_str().unwrap());
    let file = path("data/recordings").join(one["file"].as_str().unwrap());
    let told = |why: &str| until(why, 20 * SECOND, || exchange.said().contains(why).then_some(()));
    told(&format!("recordings wait to be uploaded: storage at http://127.0.0.1:{port}: Connection refused"));
    assert!(file.exists() && counted(&exchange, "busyhour_recordings_waiting 1").is_some());

    // No credentials, so that nothing is sent before it is checked; then those of nobody, and of somebody with another secret.
    fs::remove_file(path("s3.credentials")).unwrap();
    told("the credentials in ");
    let moto = Moto::start(port, &exchange.folder);
    nobodys();
    told("403 Forbidden: InvalidAccessKeyId");
    fs::copy(path("wrong.credentials"), path("s3.credentials")).unwrap();
    told("403 Forbidden: SignatureDoesNotMatch");
    fs::copy(path("right.credentials"), path("s3.credentials")).unwrap();
    until("it is uploaded", 30 * SECOND, || {
        counted(&exchange, "busyhour_recording_uploads_total{outcome=\"uploaded\"} 1")
    });
    until("it is here no longer", 5 * SECOND, || (!file.exists()).then_some(()));
    let secrets = fs::read_to_string(path("right.credentials")).unwrap();
    let secret = secrets.lines().last().unwrap().rsplit(' ').next().unwrap();
    assert!(secret.len() > 30 && !exchange.said().contains(secret), "the secret is not told");

    let objects = moto.objects(&path("object"));
    let name = format!("centre/{}", one["file"].as_str().unwrap());
    assert_eq!(objects, [[name.clone(), sha256.to_owned(), sha256.to_owned()]]);
    let shown = recordings(&exchange, &["show", &tape]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&format!("storage s3://calls/{name}")) && shown.contains("no longer here"), "{shown}");
    let played = path("played.wav");
    let play = recordings(&exchange, &["play", &tape, "-o", &text("played.wav")]);
    assert!(play.status.success(), "{play:?}");
    let [left, right] = heard(&played, [CALLER_HERTZ, AGENT_HERTZ]);
    assert!(left[0] > 3.0 && left[1] < 0.3 && right[0] < 0.3 && right[1] > 3.0, "{left:?} {right:?}");

    // Opened by our command without the server, and by others as the document says.
    output(program().args([
        "recordings",
        "decrypt",
        &text("object"),
        "--keys",
        &text("keys"),
        "-o",
        &text("ours.wav"),
    ]));
    let ours = fs::read(path("ours.wav")).unwrap();
    assert_eq!(ours, fs::read(played).unwrap());
    let script = format!("import sys\nsys.stdout = open(sys.argv[3], 'w')\n{}", documented());
    moto.python(&script, &[&text("object"), &text("keys"), &text("theirs")]);
    assert_eq!(fs::read(path("theirs")).unwrap(), ours[busyhour_media::wav::HEADER_LEN..]);

    assert!(recordings(&exchange, &["delete", &tape]).status.success());
    until("its copy is removed", 10 * SECOND, || moto.objects(&path("object")).is_empty().then_some(()));
}
