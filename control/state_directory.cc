#include "control/state_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "control/sha256.h"

namespace sluice {
namespace {

constexpr std::string_view kMagic = "sluice-state 1 sha256 ";
// Most of it are versions of prefix lists, whose number is bounded (list_versions.h).
constexpr std::size_t kHeaderSizeMax = 256u << 20;

Error state_error(const char* code, const std::string& path, const std::string& what) {
  return Error{ErrorKind::Failed, code, path + ": " + what, path};
}

Error system_error(const std::string& path, const char* what) {
  const int reason = errno;
  return state_error("state-unwritable", path, std::string(what) + ": " + std::strerror(reason));
}

class File {
 public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

  bool write_all(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t size = ::write(fd_, text.data(), text.size());
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }

  // Everything up to `size_max` bytes; nothing if it cannot be read or is longer.
  std::optional<std::string> read_all(std::size_t size_max) const {
    std::string text;
    std::array<char, 65'536> piece{};
    for (;;) {
      const ssize_t size = ::read(fd_, piece.data(), piece.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 || text.size() + static_cast<std::size_t>(size) > size_max) return std::nullopt;
      if (size == 0) return text;
      text.append(piece.data(), static_cast<std::size_t>(size));
    }
  }

 private:
  int fd_;
};

std::string header_of(const KeptPolicy& policy) {
  const nlohmann::ordered_json header = {{"generation", policy.generation.value()},
                                         {"file", policy.file},
                                         {"comment", policy.comment},
                                         {"author_uid", policy.author_uid},
                                         {"applied_unix_s", policy.applied_unix_s}};
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  // As it is: taken apart and put together it would take many times its size.
  if (!policy.list_versions.empty()) {
    text.pop_back();
    text += ",\"list_versions\":" + policy.list_versions + "}";
  }
  return text + "\n";
}

template <class Number>
bool read_number(const nlohmann::json& header, const char* key, Number& out) {
  const auto place = header.find(key);
  if (place == header.end() || !place->is_number_unsigned()) return false;
  out = place->get<Number>();
  return true;
}

bool read_string(const nlohmann::json& header, const char* key, std::string& out) {
  const auto place = header.find(key);
  const auto* text = place == header.end() ? nullptr : place->get_ptr<const std::string*>();
  if (text == nullptr) return false;
  out = *text;
  return true;
}

// The parts of the file, or what is wrong with it.
Result<KeptPolicy> parse_state(std::string_view text, const std::string& path) {
  const auto corrupt = [&](const char* what) { return state_error("state-corrupt", path, what); };
  if (!text.starts_with(kMagic)) return corrupt("does not begin as a state file of this version");
  text.remove_prefix(kMagic.size());
  const std::size_t sum_end = text.find('\n');
  if (sum_end != kSha256HexSize) return corrupt("its checksum line is cut short");
  const std::string_view sum = text.substr(0, sum_end);
  text.remove_prefix(sum_end + 1);
  const std::size_t header_end = text.find('\n');
  if (header_end == std::string_view::npos) return corrupt("it is cut short");
  const std::string_view header_text = text.substr(0, header_end + 1);
  const std::string_view document = text.substr(header_end + 1);
  if (sha256_hex(text) != sum) {
    return corrupt("its checksum is wrong: it is cut short, or was changed");
  }
  const nlohmann::json header = nlohmann::json::parse(header_text, nullptr, false);
  KeptPolicy policy;
  std::uint32_t generation = 0;
  if (!header.is_object() || !read_number(header, "generation", generation) || generation == 0 ||
      !read_string(header, "file", policy.file) ||
      !read_string(header, "comment", policy.comment) ||
      !read_number(header, "author_uid", policy.author_uid) ||
      !read_number(header, "applied_unix_s", policy.applied_unix_s)) {
    return corrupt("its header line is not what this version writes");
  }
  // Files of before there were versions have none.
  const auto versions = header.find("list_versions");
  if (versions != header.end()) policy.list_versions = versions->dump();
  policy.generation = Generation(generation);
  policy.document = document;
  return policy;
}

std::string line_of(const KeptEdits& edits) {
  const nlohmann::ordered_json line = {{"generation", edits.generation.value()},
                                       {"comment", edits.comment},
                                       {"author_uid", edits.author_uid},
                                       {"applied_unix_s", edits.applied_unix_s},
                                       {"edits", edits.edits}};
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::optional<KeptEdits> parse_edits_line(std::string_view text) {
  constexpr std::size_t kSumSize = kSha256HexSize;
  if (text.size() < kSumSize + 1 || text[kSumSize] != ' ') return std::nullopt;
  const std::string_view line = text.substr(kSumSize + 1);
  if (sha256_hex(line) != text.substr(0, kSumSize)) return std::nullopt;
  const nlohmann::json parts = nlohmann::json::parse(line, nullptr, false);
  KeptEdits edits;
  std::uint32_t generation = 0;
  if (!parts.is_object() || !read_number(parts, "generation", generation) ||
      !read_string(parts, "comment", edits.comment) ||
      !read_number(parts, "author_uid", edits.author_uid) ||
      !read_number(parts, "applied_unix_s", edits.applied_unix_s) ||
      !read_string(parts, "edits", edits.edits)) {
    return std::nullopt;
  }
  edits.generation = Generation(generation);
  return edits;
}

Status sync_directory(const std::string& path) {
  const File directory(path, O_RDONLY | O_DIRECTORY);
  if (!directory.is_open()) return system_error(path, "cannot open");
  if (::fsync(directory.fd()) != 0) return system_error(path, "cannot sync");
  return Ok();
}

}  // namespace

Status StateDirectory::prepare(const KeptPolicy& policy) const {
  if (!is_kept()) return Ok();
  if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) {
    return system_error(path_, "cannot make the state directory");
  }
  ::unlink(next_path().c_str());
  const File file(next_path(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
  if (!file.is_open()) return system_error(next_path(), "cannot write the policy");
  const std::string header = header_of(policy);
  if (header.size() > kHeaderSizeMax) {  // what would not be read must not be written
    return state_error("state-unwritable", next_path(),
                       "what goes with the policy takes " + std::to_string(header.size()) +
                           " bytes, more than " + std::to_string(kHeaderSizeMax));
  }
  const std::string sum_line = std::string(kMagic) + sha256_hex(header + policy.document) + "\n";
  const bool is_written = file.write_all(sum_line) && file.write_all(header) &&
                          file.write_all(policy.document) && ::fsync(file.fd()) == 0;
  if (is_written) return Ok();
  const Error error = system_error(next_path(), "cannot write the policy");
  abandon();
  return error;
}

Status StateDirectory::commit() const {
  if (!is_kept()) return Ok();
  if (std::rename(next_path().c_str(), policy_path().c_str()) != 0) {
    return system_error(policy_path(), "cannot replace");
  }
  // First this one is there for certain, then what belongs to the former goes.
  const Status synced = sync_directory(path_);
  if (synced) forget_edits();
  return synced;
}

// Of every policy but the one in force: called when that has none yet.
void StateDirectory::forget_edits() const {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("policy.edits.")) std::filesystem::remove(entry.path(), ignored);
  }
}

Status StateDirectory::append(Generation base, const KeptEdits& edits) const {
  if (!is_kept()) return Ok();
  const std::string path = edits_path(base);
  const File file(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW);
  if (!file.is_open()) return system_error(path, "cannot keep the edit");
  const off_t end = ::lseek(file.fd(), 0, SEEK_END);
  const std::string line = line_of(edits);
  const std::string whole = sha256_hex(line) + " " + line + "\n";
  if (file.write_all(whole) && ::fdatasync(file.fd()) == 0) {
    return end == 0 ? sync_directory(path_) : Status(Ok());
  }
  const Error error = system_error(path, "cannot keep the edit");
  // What follows must not stand behind half a line.
  if (end >= 0) static_cast<void>(::ftruncate(file.fd(), end));
  return error;
}

Result<std::vector<KeptEdits>> StateDirectory::read_edits(Generation base) const {
  std::vector<KeptEdits> all;
  if (!is_kept()) return all;
  const std::string path = edits_path(base);
  const File file(path, O_RDONLY | O_NOFOLLOW);
  if (!file.is_open() && errno == ENOENT) return all;
  const std::optional<std::string> text =
      file.is_open() ? file.read_all(kPolicyFileSizeMax) : std::nullopt;
  if (!text) return state_error("state-unreadable", path, "cannot be read, or is too long");
  std::string_view rest = *text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) {  // not written to its end, and nothing may follow it
      static_cast<void>(::truncate(path.c_str(), static_cast<off_t>(text->size() - rest.size())));
      break;
    }
    const std::optional<KeptEdits> edits = parse_edits_line(rest.substr(0, end));
    if (!edits) {
      return state_error("state-corrupt", path,
                         "line " + std::to_string(number) + " is not what was written");
    }
    all.push_back(*edits);
    rest.remove_prefix(end + 1);
  }
  return all;
}

void StateDirectory::abandon() const {
  if (is_kept()) ::unlink(next_path().c_str());
}

void StateDirectory::put_aside() const {
  if (is_kept()) std::rename(policy_path().c_str(), (policy_path() + ".broken").c_str());
}

Result<std::optional<KeptPolicy>> StateDirectory::read() const {
  if (!is_kept()) return std::optional<KeptPolicy>();
  abandon();
  const File file(policy_path(), O_RDONLY | O_NOFOLLOW);
  if (!file.is_open() && errno == ENOENT) return std::optional<KeptPolicy>();
  if (!file.is_open()) return system_error(policy_path(), "cannot read the policy");
  const std::optional<std::string> text = file.read_all(kPolicyFileSizeMax + kHeaderSizeMax);
  if (!text) {
    return state_error("state-unreadable", policy_path(), "cannot be read, or is too long");
  }
  Result<KeptPolicy> policy = parse_state(*text, policy_path());
  if (policy) return std::optional<KeptPolicy>(std::move(*policy));
  put_aside();
  Error error = policy.error();
  error.sentence += "; put aside as " + policy_path() + ".broken, nothing of it is enforced";
  return error;
}

}  // namespace sluice
