#include "control/state_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>

#include <openssl/sha.h>
#include <nlohmann/json.hpp>

#include "base/limits.h"

namespace sluice {
namespace {

constexpr std::string_view kMagic = "sluice-state 1 sha256 ";
constexpr std::size_t kHeaderSizeMax = 1u << 20;

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

std::string sha256_hex(std::string_view header, std::string_view document) {
  std::string text(header);
  text += document;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::string hex;
  for (const unsigned char byte : digest) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::string header_of(const KeptPolicy& policy) {
  const nlohmann::ordered_json header = {{"generation", policy.generation.value()},
                                         {"file", policy.file},
                                         {"comment", policy.comment},
                                         {"author_uid", policy.author_uid},
                                         {"applied_unix_s", policy.applied_unix_s}};
  return header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
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
  if (sum_end != 2 * SHA256_DIGEST_LENGTH) return corrupt("its checksum line is cut short");
  const std::string_view sum = text.substr(0, sum_end);
  text.remove_prefix(sum_end + 1);
  const std::size_t header_end = text.find('\n');
  if (header_end == std::string_view::npos) return corrupt("it is cut short");
  const std::string_view header_text = text.substr(0, header_end + 1);
  const std::string_view document = text.substr(header_end + 1);
  if (sha256_hex(header_text, document) != sum) {
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
  policy.generation = Generation(generation);
  policy.document = document;
  return policy;
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
  const std::string sum_line = std::string(kMagic) + sha256_hex(header, policy.document) + "\n";
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
  return sync_directory(path_);
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
