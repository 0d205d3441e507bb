#include "control/config/appliance_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "control/config/read_nics.h"
#include "control/config/settings.h"
#include "control/policy/table_reader.h"
#include "control/policy/toml_document.h"

namespace sluice {
namespace {

constexpr std::size_t kFileSizeMax = 16u << 20;

IntegerRange range_of(SettingTable table, std::string_view key) {
  const Setting& row = setting(table, key);
  return {row.low, row.high, row.unit};
}

// A table of the document that may be left out.
class Section {
 public:
  Section(TableReader& root, std::string_view name, Findings& findings)
      : node_(root.find(name)),
        table_(node_ == nullptr ? empty_ : *node_, "[" + std::string(name) + "]", findings) {}
  TableReader& operator*() { return table_; }
  TableReader* operator->() { return &table_; }

 private:
  Node empty_;
  const Node* node_;
  TableReader table_;
};

void read_workers(TableReader& engine, EngineConfig& config) {
  const Node::Array* cores = engine.array("workers");
  if (cores == nullptr) return;
  const IntegerRange range = range_of(SettingTable::Engine, "workers");
  if (cores->empty()) {
    engine.error(engine.place_of("workers"), "bad-value",
                 "workers is empty: at least one core must poll");
  }
  for (const Node& core : *cores) {
    if (core.integer() == nullptr) {
      engine.wrong_type(core, "workers", "an array of core numbers");
    } else if (*core.integer() < range.low || *core.integer() > range.high) {
      engine.error(core.at(), "out-of-range",
                   "workers: core " + std::to_string(*core.integer()) + " is out of range: " +
                       std::to_string(range.low) + " to " + std::to_string(range.high));
    } else {
      config.worker_cores.push_back(static_cast<unsigned>(*core.integer()));
    }
  }
}

void read_number(TableReader& engine, std::string_view key, std::uint32_t& value) {
  const auto number = engine.integer(key, range_of(SettingTable::Engine, key));
  if (number) value = static_cast<std::uint32_t>(*number);
}

void read_engine(TableReader& root, ApplianceConfig& appliance, Findings& findings) {
  EngineConfig& config = appliance.engine;
  Section engine(root, "engine", findings);
  read_workers(*engine, config);
  read_number(*engine, "flow_capacity", config.flow_capacity);
  read_number(*engine, "interface_capacity", config.interface_capacity);
  read_number(*engine, "idle_sleep_us", config.idle_sleep_us);
  std::uint32_t policy_memory_mib = 0;
  read_number(*engine, "policy_memory_mib", policy_memory_mib);
  if (policy_memory_mib != 0) appliance.policy_memory_mib = policy_memory_mib;
  if (const auto word = engine->choice("huge_pages", kHugePagesWords)) {
    config.huge_pages = static_cast<HugePages>(*word);
  }
  if (const Node::Array* words = engine->array("eal_arguments")) {
    for (const Node& word : *words) {
      if (word.string() == nullptr) {
        engine->wrong_type(word, "eal_arguments", "an array of strings");
      } else {
        config.eal_arguments.push_back(*word.string());
      }
    }
  }
  engine->finish();
}

void read_path(TableReader& table, std::string_view key, bool may_be_empty, std::string& path) {
  auto text = table.string(key);
  if (!text) return;
  if (text->empty() ? !may_be_empty : text->front() != '/') {
    table.error(table.place_of(key), "bad-path",
                std::string(key) + " = " + quoted(*text) + " is no absolute path");
    return;
  }
  path = std::move(*text);
}

void read_control(TableReader& root, ApplianceConfig& config, Findings& findings) {
  Section control(root, "control", findings);
  read_path(*control, "socket", false, config.socket);
  read_path(*control, "readonly_socket", true, config.readonly_socket);
  // sun_path of sockaddr_un, with its final zero.
  constexpr std::size_t kSocketPathMax = 107;
  for (const auto& [key, path] : {std::pair("socket", &config.socket),
                                  std::pair("readonly_socket", &config.readonly_socket)}) {
    if (path->size() <= kSocketPathMax) continue;
    control->error(control->place_of(key), "bad-path",
                   std::string(key) + " has " + std::to_string(path->size()) +
                       " characters; the path of a socket has at most " +
                       std::to_string(kSocketPathMax));
  }
  if (config.socket == config.readonly_socket) {
    control->error(control->place_of("readonly_socket"), "duplicate",
                   "readonly_socket is the same path as socket: " + quoted(config.socket));
  }
  control->finish();
}

void read_state(TableReader& root, ApplianceConfig& config, Findings& findings) {
  Section state(root, "state", findings);
  read_path(*state, "directory", false, config.state_directory);
  state->finish();
}

LoadedConfig refuse_file(const std::string& path, std::string_view code, const std::string& why) {
  Findings findings(path);
  findings.error({}, code, "configuration file " + quoted(path) + " " + why);
  return {std::nullopt, findings.take()};
}

}  // namespace

LoadedConfig load_config_text(std::string_view text, std::string_view file_name,
                              Registry& registry) {
  Findings findings{std::string(file_name)};
  LoadedConfig loaded;
  if (const std::optional<Node> document = parse_toml_document(text, findings)) {
    TableReader root(*document, "the configuration", findings);
    ApplianceConfig config;
    read_engine(root, config, findings);
    read_control(root, config, findings);
    config.engine.nics = read_nics(root, registry, findings);
    read_state(root, config, findings);
    root.finish();
    if (!findings.has_errors()) loaded.config = std::move(config);
  }
  loaded.findings = findings.take();
  return loaded;
}

LoadedConfig load_config_file(const std::string& path, Registry& registry) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const int problem = errno;
    return refuse_file(path, problem == ENOENT ? "file-missing" : "file-unreadable",
                       std::string("cannot be read: ") + std::strerror(problem));
  }
  std::string text;
  text.resize(kFileSizeMax + 1);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return refuse_file(path, "file-unreadable", "cannot be read");
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kFileSizeMax) {
    return refuse_file(path, "file-too-big",
                       "is larger than " + std::to_string(kFileSizeMax) + " bytes");
  }
  return load_config_text(text, path, registry);
}

}  // namespace sluice
