#include "control/policy/load.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "control/policy/check_policy.h"
#include "control/policy/json_document.h"
#include "control/policy/read_policy.h"
#include "control/policy/table_reader.h"
#include "control/policy/toml_document.h"

namespace sluice {

namespace {

enum class Spelling { Toml, Json };

LoadedPolicy load(std::string_view text, std::string_view name, Spelling spelling) {
  Findings findings{std::string(name)};
  const std::optional<Node> root = spelling == Spelling::Json ? parse_json_document(text, findings)
                                                              : parse_toml_document(text, findings);
  LoadedPolicy loaded;
  if (root) {
    Policy policy = read_policy(*root, findings);
    add_default_groups(policy, findings);
    check_policy(policy, findings);
    if (!findings.has_errors()) loaded.policy = std::move(policy);
  }
  loaded.findings = findings.take();
  return loaded;
}

PolicyText refuse_file(std::string_view name, std::string_view code, std::string_view what) {
  Findings findings{std::string(name)};
  std::string reason = "policy file " + quoted(name) + " " + std::string(what);
  if (code == "file-too-big") {
    findings.over_limit({}, code, std::move(reason));
  } else {
    findings.error({}, code, std::move(reason));
  }
  return {std::nullopt, findings.take()};
}

std::string error_text(const std::string& doing, int error) {
  return doing + ": " + std::strerror(error);
}

LoadedPolicy load_read(PolicyText read, std::string_view name) {
  if (!read.text) return {std::nullopt, std::move(read.findings)};
  return load_policy_text(*read.text, name);
}

}  // namespace

LoadedPolicy load_policy_text(std::string_view text, std::string_view file_name) {
  // A byte order mark hides no brace; what reads JSON refuses it, what reads TOML skips it.
  static constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  const std::size_t start = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  const std::size_t first = text.find_first_not_of(" \t\r\n", start);
  const bool is_json = first != std::string_view::npos && text[first] == '{';
  return load(text, file_name, is_json ? Spelling::Json : Spelling::Toml);
}

LoadedPolicy load_policy_json(std::string_view text, std::string_view name) {
  return load(text, name, Spelling::Json);
}

LoadedPolicy load_policy_descriptor(int descriptor, std::string_view name) {
  return load_read(read_policy_descriptor(descriptor, name), name);
}

PolicyText read_policy_descriptor(int descriptor, std::string_view name) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) {
    return refuse_file(name, "file-unreadable", error_text("can not be read", errno));
  }
  if (S_ISDIR(status.st_mode)) {
    return refuse_file(name, "file-unreadable", "is a directory, not a file");
  }
  const auto too_big = [&](std::size_t size) {
    return refuse_file(name, "file-too-big",
                       "has " + std::to_string(size) + " bytes or more; at most " +
                           std::to_string(kPolicyFileSizeMax) + " are read");
  };
  if (S_ISREG(status.st_mode) && static_cast<std::size_t>(status.st_size) > kPolicyFileSizeMax) {
    return too_big(static_cast<std::size_t>(status.st_size));
  }
  std::string text;
  std::string chunk(1 << 16, '\0');
  for (;;) {
    const ssize_t count = read(descriptor, chunk.data(), chunk.size());
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0)
      return refuse_file(name, "file-unreadable", error_text("can not be read", errno));
    text.append(chunk, 0, static_cast<std::size_t>(count));
    if (text.size() > kPolicyFileSizeMax) return too_big(text.size());
  }
  return {std::move(text), {}};
}

PolicyText read_policy_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const int error = errno;
    return refuse_file(path, error == ENOENT ? "file-missing" : "file-unreadable",
                       error_text("can not be opened", error));
  }
  PolicyText read = read_policy_descriptor(descriptor, path);
  close(descriptor);
  return read;
}

LoadedPolicy load_policy_file(const std::string& path) {
  return load_read(read_policy_file(path), path);
}

}  // namespace sluice
