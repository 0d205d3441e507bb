#pragma once

// The last good policy on disk, so that it is enforced again after a restart (product, section 4).
//
// One file, `policy.state`: a line with the SHA-256 of all that follows, a line of JSON that says
// which generation it is, who applied it and what its prefix lists were before, then the document
// as it was written. It is replaced as a whole: written beside, synced, renamed, the directory
// synced. Whatever happens meanwhile, what is read back is one of the two policies, or is known to
// be broken.
//
// Edits of it are appended to `policy.edits.N` beside it, N being the generation of that file: a
// line each, its SHA-256 before it, synced before the edit is answered for. A last line that was
// not written to its end belongs to an edit that nobody was told of, and is left out; anything else
// that is broken is an error.
//
// Control thread. Errors are of kind Failed and name the path and the system's reason.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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
  std::string list_versions;  // of its prefix lists: ListVersions::to_text()
};

// Edits that were applied together: JSON, see policy_edit.h.
struct KeptEdits {
  Generation generation;
  std::string edits;  // a JSON array
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
  // Puts what was prepared in force, and forgets edits of what was before it.
  Status commit() const;
  // Appends to the edits of the policy that has the generation `base` on disk.
  Status append(Generation base, const KeptEdits& edits) const;
  // Forgets what was prepared.
  void abandon() const;

  // The policy in force; nothing if none was ever kept. A file that is broken is renamed to
  // `policy.state.broken` and is an error, code "state-corrupt".
  Result<std::optional<KeptPolicy>> read() const;
  // The edits of that policy, in their order. Code "state-corrupt"; the file is then left alone.
  Result<std::vector<KeptEdits>> read_edits(Generation base) const;
  // Puts the file aside as broken: it cannot be enforced for another reason.
  void put_aside() const;

 private:
  std::string next_path() const { return path_ + "/policy.state.next"; }
  std::string edits_path(Generation base) const {
    return path_ + "/policy.edits." + std::to_string(base.value());
  }
  void forget_edits() const;

  std::string path_;
};

}  // namespace sluice
