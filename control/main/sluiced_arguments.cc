#include "control/main/sluiced_arguments.h"

#include <array>

namespace sluice {
namespace {

Error usage_error(std::string sentence) {
  return Error{ErrorKind::Usage, "usage", std::move(sentence), ""};
}

struct Flag {
  std::string_view name;
  std::string_view letter;
  bool SluicedArguments::*wish;
};

constexpr std::array kFlags = std::to_array<Flag>({
    {"--help", "-h", &SluicedArguments::wants_help},
    {"--version", "-V", &SluicedArguments::wants_version},
    {"--sample-config", "", &SluicedArguments::wants_sample},
});

struct FileFlag {
  std::string_view name;
  std::string_view letter;
  std::string SluicedArguments::*file;
};

constexpr std::array kFileFlags = std::to_array<FileFlag>({
    {"--config", "-c", &SluicedArguments::config},
    {"--policy", "-p", &SluicedArguments::policy},
});

}  // namespace

Result<SluicedArguments> parse_sluiced_arguments(const std::vector<std::string>& words) {
  SluicedArguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    bool is_known = false;
    for (const Flag& flag : kFlags) {
      if (word != flag.name && (flag.letter.empty() || word != flag.letter)) continue;
      arguments.*flag.wish = true;
      is_known = true;
    }
    for (const FileFlag& flag : kFileFlags) {
      const std::string prefix = std::string(flag.name) + "=";
      std::string& file = arguments.*flag.file;
      if (word.starts_with(prefix)) {
        file = word.substr(prefix.size());
      } else if (word == flag.name || word == flag.letter) {
        if (i + 1 == words.size()) return usage_error(word + " needs a file");
        file = words[++i];
      } else {
        continue;
      }
      if (file.empty()) return usage_error(std::string(flag.name) + " needs a file");
      is_known = true;
    }
    if (!is_known) return usage_error("unknown argument \"" + word + "\"");
  }
  const bool only_talks = arguments.wants_help || arguments.wants_version || arguments.wants_sample;
  if (!only_talks && arguments.config.empty()) return usage_error("--config FILE is missing");
  return arguments;
}

std::string_view sluiced_help() {
  return "usage: sluiced --config FILE [--policy FILE]\n"
         "\n"
         "The Sluice appliance: takes the ports and cores of the configuration and enforces a\n"
         "policy on them until SIGTERM or SIGINT ends it.\n"
         "\n"
         "  -c, --config FILE   appliance.toml: ports, cores, memory, sockets\n"
         "  -p, --policy FILE   the policy to begin with; without it, the one that the state\n"
         "                      directory keeps; without any, nothing passes\n"
         "      --sample-config every setting at its default, with its sentence, to stdout\n"
         "  -h, --help          this text\n"
         "  -V, --version       the version\n"
         "\n"
         "Exit status: 0 stopped as asked, 1 the start failed, 2 usage, 4 the configuration or\n"
         "the policy is wrong, 5 a limit is exceeded.\n";
}

}  // namespace sluice
