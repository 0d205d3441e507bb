#include "control/config/appliance_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "control/config/settings.h"

namespace sluice {
namespace {

std::string source_file(const std::string& path) {
  std::ifstream file(std::string(SLUICE_SOURCE_ROOT) + "/" + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// "LINE:COLUMN CODE" of every error, in order.
std::vector<std::string> errors_of(const std::string& text) {
  Registry registry;
  const LoadedConfig loaded = load_config_text(text, "appliance.toml", registry);
  std::vector<std::string> list;
  for (const Finding& finding : loaded.findings) {
    if (finding.severity != Severity::Error) continue;
    list.push_back(std::to_string(finding.line) + ":" + std::to_string(finding.column) + " " +
                   finding.code);
  }
  EXPECT_EQ(loaded.config.has_value(), list.empty());
  return list;
}

using Errors = std::vector<std::string>;

constexpr const char* kBump =
    "[[port]]\nid = 'in'\ndevice = 'net_tap0'\nrole = 'inside'\npeer = 'out'\n"
    "[[port]]\nid = 'out'\ndevice = 'net_tap1'\nrole = 'outside'\npeer = 'in'\n";

TEST(ApplianceConfig, sample_file_is_what_the_table_of_settings_makes) {
  EXPECT_EQ(source_file("configs/appliance.toml"), sample_configuration())
      << "write it anew: sluiced --sample-config > configs/appliance.toml";
}

TEST(ApplianceConfig, sample_file_holds_the_defaults_of_an_empty_file) {
  Registry registry;
  const LoadedConfig sample = load_config_text(sample_configuration(), "sample", registry);
  const LoadedConfig empty = load_config_text("", "empty", registry);
  ASSERT_TRUE(sample.config.has_value());
  ASSERT_TRUE(empty.config.has_value());
  const ApplianceConfig& left = *sample.config;
  const ApplianceConfig& right = *empty.config;
  EXPECT_EQ(left.socket, right.socket);
  EXPECT_EQ(left.readonly_socket, right.readonly_socket);
  EXPECT_EQ(left.state_directory, right.state_directory);
  EXPECT_EQ(left.engine.flow_capacity, right.engine.flow_capacity);
  EXPECT_EQ(left.engine.interface_capacity, right.engine.interface_capacity);
  EXPECT_EQ(left.engine.idle_sleep_us, right.engine.idle_sleep_us);
  EXPECT_EQ(left.policy_memory_mib, right.policy_memory_mib);
  EXPECT_EQ(left.engine.huge_pages, right.engine.huge_pages);
  EXPECT_TRUE(left.engine.worker_cores.empty());
  EXPECT_TRUE(left.engine.eal_arguments.empty());
  EXPECT_TRUE(left.engine.nics.empty());
}

TEST(ApplianceConfig, sample_file_with_everything_commented_in_still_has_known_keys_only) {
  std::string text = sample_configuration();
  for (const Setting& row : kSettings) {
    const std::string line = "\n# " + std::string(row.key) + " = ";
    const std::size_t at = text.find(line);
    if (at != std::string::npos) text.replace(at, 3, "\n");
  }
  const std::size_t head = text.find("\n# [[port]]");
  ASSERT_NE(head, std::string::npos);
  text.replace(head, 3, "\n");
  // A port cannot have the keys of all roles; nothing else may be wrong.
  for (const std::string& error : errors_of(text)) {
    EXPECT_TRUE(error.ends_with(" wrong-role")) << error;
  }
}

TEST(ApplianceConfig, gives_policies_what_is_said_or_a_share_of_the_machine) {
  constexpr std::size_t kGibibyte = std::size_t{1} << 30;
  const auto policy_memory = [](std::string_view text, std::size_t machine_memory) {
    Registry registry;
    const LoadedConfig loaded = load_config_text(text, "memory", registry);
    return loaded.config ? loaded.config->policy_memory(machine_memory) : 0;
  };
  EXPECT_EQ(policy_memory("", 64 * kGibibyte), kGibibyte);
  EXPECT_EQ(policy_memory("", 2 * kGibibyte), kGibibyte / 2);
  EXPECT_EQ(policy_memory("[engine]\npolicy_memory_mib = 3000\n", kGibibyte), 3000u << 20);
  EXPECT_EQ(errors_of("[engine]\npolicy_memory_mib = 0\n"), Errors{"2:21 out-of-range"});
  EXPECT_EQ(errors_of("[engine]\npolicy_memory_mib = 1048577\n"), Errors{"2:21 out-of-range"});
}

TEST(ApplianceConfig, reads_the_lab) {
  Registry registry;
  const LoadedConfig loaded =
      load_config_text(source_file("configs/quickstart.toml"), "quickstart.toml", registry);
  ASSERT_TRUE(loaded.config.has_value());
  const EngineConfig& engine = loaded.config->engine;
  EXPECT_EQ(engine.worker_cores, std::vector<unsigned>{1});
  EXPECT_EQ(engine.flow_capacity, 65'536u);
  ASSERT_EQ(engine.nics.size(), 4u);
  EXPECT_EQ(engine.nics[0].role, NicRole::Interface);
  EXPECT_EQ(registry.interfaces.name_of(engine.nics[0].interface), "eni-web");
  const NicConfig& uplink = engine.nics[3];
  EXPECT_EQ(uplink.role, NicRole::Uplink);
  ASSERT_EQ(uplink.vpcs.size(), 1u);
  EXPECT_EQ(registry.vpcs.name_of(uplink.vpcs[0]), "vpc-lab");
  ASSERT_EQ(uplink.addresses.size(), 2u);
  EXPECT_EQ(uplink.addresses[0].address.to_string(), "192.0.2.2");
  EXPECT_EQ(uplink.addresses[0].length, 30);
  ASSERT_EQ(uplink.gateways.size(), 2u);
  EXPECT_EQ(uplink.gateways[1].to_string(), "2001:db8:ff::1");
}

TEST(ApplianceConfig, joins_the_two_ends_of_a_bump) {
  Registry registry;
  std::string text = kBump;
  text += "unknown = 'forward'\nsource_check = false\n";
  const LoadedConfig loaded = load_config_text(text, "bump", registry);
  ASSERT_TRUE(loaded.config.has_value());
  const auto& nics = loaded.config->engine.nics;
  ASSERT_EQ(nics.size(), 2u);
  EXPECT_EQ(nics[0].peer, NicIndex(1));
  EXPECT_EQ(nics[1].peer, NicIndex(0));
  EXPECT_FALSE(nics[0].forward_unknown);
  EXPECT_TRUE(nics[0].source_check);
  EXPECT_TRUE(nics[1].forward_unknown);
  EXPECT_FALSE(nics[1].source_check);
}

TEST(ApplianceConfig, lists_every_error_with_its_place) {
  EXPECT_EQ(errors_of("[engine]\n"
                      "workers = [1, 5000]\n"
                      "flow_capacity = 12\n"
                      "huge_pages = 'maybe'\n"
                      "idle_sleep = 3\n"
                      "[control]\n"
                      "socket = 'relative'\n"
                      "[stat]\n"
                      "directory = '/x'\n"),
            (Errors{"2:15 out-of-range", "3:17 out-of-range", "4:14 bad-value", "5:1 unknown-key",
                    "7:10 bad-path", "8:2 unknown-key"}));
}

TEST(ApplianceConfig, bounds_are_named_in_the_message) {
  Registry registry;
  const LoadedConfig loaded =
      load_config_text("[engine]\nflow_capacity = 12\n", "appliance.toml", registry);
  ASSERT_EQ(loaded.findings.size(), 1u);
  EXPECT_EQ(to_string(loaded.findings[0]),
            "appliance.toml:2:17: error: [engine]: flow_capacity = 12 is out of range: 1024 to "
            "1073741824");
}

TEST(ApplianceConfig, a_port_needs_id_device_role_and_what_its_role_needs) {
  EXPECT_EQ(errors_of("[[port]]\n"),
            (Errors{"1:1 missing-key", "1:1 missing-key", "1:1 missing-key"}));
  EXPECT_EQ(errors_of("[[port]]\nid = 'a'\ndevice = 'net_null0'\nrole = 'interface'\n"),
            (Errors{"1:1 missing-key"}));
  EXPECT_EQ(errors_of("[[port]]\nid = 'a'\ndevice = 'net_null0'\nrole = 'uplink'\n"),
            (Errors{"1:1 missing-key", "1:1 missing-key", "1:1 missing-key"}));
  EXPECT_EQ(errors_of("[[port]]\nid = 'a'\ndevice = 'net_null0'\nrole = 'inside'\n"),
            (Errors{"1:1 missing-key"}));
}

TEST(ApplianceConfig, keys_of_another_role_are_errors) {
  EXPECT_EQ(errors_of("[[port]]\nid = 'a'\ndevice = 'net_null0'\nrole = 'interface'\n"
                      "interface = 'eni-a'\ngateway = ['192.0.2.1']\nunknown = 'drop'\n"),
            (Errors{"6:11 wrong-role", "7:11 wrong-role"}));
}

TEST(ApplianceConfig, ids_devices_interfaces_and_vpcs_belong_to_one_port_each) {
  const std::string port =
      "[[port]]\nid = 'a'\ndevice = 'net_tap0,iface=x'\nrole = 'interface'\n"
      "interface = 'eni-a'\n";
  const std::string same_device =
      "[[port]]\nid = 'b'\ndevice = 'net_tap0,iface=y'\nrole = 'interface'\n"
      "interface = 'eni-b'\n";
  EXPECT_EQ(errors_of(port + port), (Errors{"6:1 duplicate", "6:1 duplicate", "6:1 duplicate"}));
  EXPECT_EQ(errors_of(port + same_device), (Errors{"6:1 duplicate"}));
}

TEST(ApplianceConfig, peers_exist_have_the_other_role_and_agree) {
  const std::string bump = kBump;
  const auto with_peer = [&](const std::string& peer, const std::string& more) {
    std::string text = bump;
    const std::string old = "peer = 'in'";
    text.replace(text.find(old), old.size(), "peer = '" + peer + "'");
    return errors_of(text + more);
  };
  EXPECT_EQ(with_peer("nobody", ""), (Errors{"5:8 one-sided-peer", "10:8 unknown-port"}));
  EXPECT_EQ(with_peer("out", ""), (Errors{"5:8 one-sided-peer", "10:8 wrong-role"}));
}

TEST(ApplianceConfig, uplink_addresses_and_gateways_fit_together) {
  const auto uplink = [](const std::string& addresses, const std::string& gateways) {
    return errors_of(
        "[[port]]\nid = 'up'\ndevice = 'net_null0'\nrole = 'uplink'\n"
        "vpcs = ['vpc-a']\naddresses = [" +
        addresses + "]\ngateway = [" + gateways + "]\n");
  };
  EXPECT_EQ(uplink("'192.0.2.2/30'", "'192.0.2.1'"), Errors{});
  EXPECT_EQ(uplink("'192.0.2.2/30', '2001:db8::2/64'", "'192.0.2.1', 'fe80::1'"), Errors{});
  EXPECT_EQ(uplink("'192.0.2.2'", "'192.0.2.1'"),
            (Errors{"6:14 bad-address", "7:12 unreachable-gateway"}));
  EXPECT_EQ(uplink("'192.0.2.2/33'", "'192.0.2.1'"),
            (Errors{"6:14 bad-address", "7:12 unreachable-gateway"}));
  EXPECT_EQ(uplink("'192.0.2.2/30'", "'192.0.2.9'"), (Errors{"7:12 unreachable-gateway"}));
  EXPECT_EQ(uplink("'192.0.2.2/30'", "'192.0.2.2'"), (Errors{"7:12 bad-address"}));
  EXPECT_EQ(uplink("'192.0.2.2/24'", "'192.0.2.1', '192.0.2.3'"),
            (Errors{"7:25 duplicate-gateway"}));
  EXPECT_EQ(uplink("'224.0.0.1/24'", "'x'"), (Errors{"6:14 bad-address", "7:12 bad-address"}));
}

TEST(ApplianceConfig, a_missing_file_and_a_syntax_error_are_findings) {
  Registry registry;
  const LoadedConfig missing = load_config_file("/nonexistent/appliance.toml", registry);
  EXPECT_FALSE(missing.config.has_value());
  ASSERT_EQ(missing.findings.size(), 1u);
  EXPECT_EQ(missing.findings[0].code, "file-missing");
  EXPECT_EQ(errors_of("[engine\n").size(), 1u);
}

}  // namespace
}  // namespace sluice
