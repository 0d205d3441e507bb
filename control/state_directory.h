#pragma once

// The last good policy on disk, so that it is enforced again after a restart (product, section 4).
//
// One file, `policy.state`: a line with the SHA-256 of all that follows, a line of JSON that says
// which generation it is and who applied it, then the document as it was written. It is replaced
// as a whole: written beside, synced, renamed, the directory synced. Whatever happens meanwhile,
// what is read back is one of the two policies, or is known to be broken.
//
// Control thread. Errors are of kind Failed and name the path and the system's reason.

#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"

namespace sluice {

// A document and what is known about its being applied.
struct KeptPolicy {
  Generation generation;
  std::string file;      // what messages call the document
  std::string document;  // TOML or JSON, as written
  std::string comment;
  std::uint32_t author_uid = 0;
  std::uint64_t applied_unix_s = 0;
};

class StateDirectory {
 public:
  // An empty path: nothing is kept, and every call succeeds.
  explicit StateDirectory(std::string path) : path_(std::move(path)) {}

  bool is_kept() const { return !path_.empty(); }
  const std::string& path() const { return path_; }
  std::string policy_path() const { return path_ + "/policy.state"; }

  // Writes the policy beside the one in force and syncs it; makes the directory (0700) if there is
  // none. Code "state-unwritable".
  Status prepare(const KeptPolicy& policy) const;
  // Puts what was prepared in force.
  Status commit() const;
  // Forgets what was prepared.
  void abandon() const;

  // The policy in force; nothing if none was ever kept. A file that is broken is renamed to
  // `policy.state.broken` and is an error, code "state-corrupt".
  Result<std::optional<KeptPolicy>> read() const;
  // Puts the file aside as broken: it cannot be enforced for another reason.
  void put_aside() const;

 private:
  std::string next_path() const { return path_ + "/policy.state.next"; }

  std::string path_;
};

}  // namespace sluice
