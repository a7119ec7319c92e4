//! Groups that are one user's alone: where each user has a group of its own, as on most Linux systems, files that the group may
//! write are common and no danger.

use std::fs;
use std::path::Path;

/// Whether nobody but this user or the administrator is in a group, as far as this machine's own files say; what they do not say
/// (users of a directory service, an access list on the file) counts as no.
pub(super) fn is_private(path: &Path, group: u32, user: u32) -> bool {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (users, groups) = (read("/etc/passwd"), read("/etc/group"));
    (belongs_to_alone(group, user, &users, &groups) || belongs_to_alone(group, 0, &users, &groups))
        && !has_access_list(path)
}

/// By the texts of `/etc/passwd` and `/etc/group`: the group is the user's, has no other member, and is nobody else's either.
fn belongs_to_alone(group: u32, user: u32, users: &str, groups: &str) -> bool {
    let fields = |line: &'_ str| line.split(':').map(str::to_owned).collect::<Vec<String>>();
    let number = |field: Option<&String>| field.and_then(|f| f.parse::<u32>().ok());
    let users: Vec<Vec<String>> = users.lines().map(fields).filter(|f| number(f.get(2)).is_some()).collect();
    let name = users.iter().find(|f| number(f.get(2)) == Some(user)).map(|f| &f[0]);
    let mut own: Vec<Vec<String>> = groups.lines().map(fields).filter(|f| number(f.get(2)) == Some(group)).collect();
    let (Some(name), Some(line), true) = (name, own.pop(), own.is_empty()) else { return false };
    // The group of a user alone has the user's name; that of several has a name of its own.
    let members = line.get(3).map_or("", String::as_str).split(',').filter(|m| !m.is_empty());
    let others = users.iter().any(|f| number(f.get(3)) == Some(group) && number(f.get(2)) != Some(user));
    line[0] == *name && members.into_iter().all(|m| m == name) && !others
}

/// Whether others than its owner and its group have permissions on it: then the group's are their upper bound.
fn has_access_list(path: &Path) -> bool {
    let mut room = [0u8; 1024];
    match rustix::fs::getxattr(path, "system.posix_acl_access", &mut room) {
        Ok(_) | Err(rustix::io::Errno::RANGE) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:1001:::\neve:x:1002:1001:::\nsync:x:4:65534:::\n";
    const GROUPS: &str = "root:x:0:\nann:x:1000:\nbob:x:1001:bob\nstaff:x:50:ann\nteam:x:60:ann,bob\nbroken\nann2:x:1003:\ntwice:x:70:\ntwice:x:70:\n";

    #[test]
    fn a_group_is_private_if_it_is_the_users_and_nobody_elses() {
        let private = |group, user| belongs_to_alone(group, user, USERS, GROUPS);
        assert!(private(1000, 1000) && private(0, 0));
        // Another's; one with a name of its own, if the user is its only member today; one that is another user's first group.
        assert!(!private(1001, 1000) && !private(50, 1000) && !private(60, 1000) && !private(1001, 1001));
        // Not on record.
        assert!(!private(1234, 1000) && !private(1003, 1003) && !private(1000, 1234) && !private(70, 1000));
        assert!(!belongs_to_alone(1000, 1000, "", GROUPS) && !belongs_to_alone(1000, 1000, USERS, ""));
    }
}
