// Rows of wrong policies: a snippet in front of a correct policy, and exactly what is found.

#include <gtest/gtest.h>

#include "control/policy/table_reader.h"
#include "tests/control/policy_sample.h"

namespace sluice {
namespace {

using Row = FoundRow;

// A group whose only rule begins at 4:10.
std::string ingress(const std::string& rule) {
  return "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\ningress=[" + rule + "]\n";
}
std::string egress(const std::string& rule) {
  return "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\negress=[" + rule + "]\n";
}
std::string group(const std::string& lines) {
  return "[[security_group]]\nid='sg-x'\nvpc='vpc-a'\n" + lines + "\n";
}
// An ACL whose only entry begins at 4:10.
std::string acl(const std::string& entry) {
  return "[[network_acl]]\nid='acl-x'\nvpc='vpc-a'\ningress=[" + entry + "]\n";
}
std::string list(const std::string& lines) { return "[[prefix_list]]\nid='pl-x'\n" + lines + "\n"; }
// An interface; the lines begin at line 4.
std::string interface(const std::string& lines) {
  return "[[interface]]\nid='eni-x'\nsubnet='subnet-a'\n" + lines + "\n";
}
std::string flow_log(const std::string& lines) {
  return "[[flow_log]]\nid='fl-x'\n" + lines + "\n";
}

std::string repeated(std::string_view text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

class PolicyBadInput : public testing::TestWithParam<Row> {};

TEST_P(PolicyBadInput, is_found_with_its_place) {
  const LoadedPolicy loaded = load_with_base(GetParam().snippet);
  EXPECT_EQ(short_findings(loaded), GetParam().found) << messages_of(loaded);
  EXPECT_EQ(loaded.policy.has_value(), !has_errors(loaded.findings));
}

std::string row_name(const testing::TestParamInfo<Row>& info) { return info.param.name; }

const Row kTopLevel[] = {
    {"the_base_is_correct", "", {}},
    {"unknown_top_key", "colour = 1\n", {"1:1 error unknown-key"}},
    {"unknown_top_table", "[[firewall]]\nid='x'\n", {"1:3 error unknown-key"}},
    {"account_is_a_number", "account = 123\n", {"1:11 error wrong-type"}},
    {"account_with_blanks", "account = 'a b'\n", {"1:11 error bad-account"}},
    {"tracking_mode", "[tracking]\nmode='lax'\n", {"2:6 error bad-value"}},
    {"tracking_icmp_errors", "[tracking]\nicmp_errors=true\n", {"2:13 error wrong-type"}},
    {"tracking_unknown", "[tracking]\nfin=3\n", {"2:1 error unknown-key"}},
    // CT-18: timers that are Sluice's own.
    {"tracking_syn_zero", "[tracking]\nsyn=0\n", {"2:5 error out-of-range"}},
    {"tracking_time_wait_low", "[tracking]\ntime_wait=9\n", {"2:11 error out-of-range"}},
    {"tracking_time_wait_high", "[tracking]\ntime_wait=61\n", {"2:11 error out-of-range"}},
    {"tracking_allowance_zero", "[tracking]\nallowance=0\n", {"2:11 error out-of-range"}},
    {"tracking_is_no_table", "tracking = 3\n", {"1:12 error wrong-type"}},
    {"exempt_profile", "[exempt]\nprofile='gcp'\n", {"2:9 error bad-value"}},
    {"exempt_unknown", "[exempt]\nprofiles='aws'\n", {"2:1 error unknown-key"}},
    {"interface_is_no_array_of_tables", "flow_log = 3\n", {"1:12 error wrong-type"}},
    {"flow_log_array_of_numbers", "flow_log = [3]\n", {"1:13 error wrong-type"}},
    {"peering_one", "[[peering]]\nvpcs=['vpc-a']\n", {"2:6 error bad-peering"}},
    {"peering_itself", "[[peering]]\nvpcs=['vpc-a','vpc-a']\n", {"2:15 error bad-peering"}},
    {"peering_unknown", "[[peering]]\nvpcs=['vpc-a','vpc-z']\n", {"2:15 error unknown-vpc"}},
    {"peering_numbers", "[[peering]]\nvpcs=['vpc-a',3]\n", {"2:15 error wrong-type"}},
    {"peering_missing", "[[peering]]\n", {"1:1 error missing-key"}},
    {"peering_twice",
     "[[peering]]\nvpcs=['vpc-a','vpc-b']\n[[peering]]\nvpcs=['vpc-b','vpc-a']\n",
     {"3:1 error duplicate-peering"}},
};

const Row kNetwork[] = {
    {"vpc_without_id", "[[vpc]]\ncidrs=['10.1.0.0/16']\n", {"1:1 error missing-key"}},
    {"vpc_without_cidrs", "[[vpc]]\nid='vpc-x'\n", {"1:1 error missing-key"}},
    {"vpc_no_cidrs", "[[vpc]]\nid='vpc-x'\ncidrs=[]\n", {"3:7 error empty"}},
    {"vpc_id_with_bar", "[[vpc]]\nid='vpc|x'\ncidrs=['10.0.0.0/8']\n", {"2:4 error bad-id"}},
    {"vpc_id_number", "[[vpc]]\nid=7\ncidrs=['10.0.0.0/8']\n", {"2:4 error wrong-type"}},
    {"vpc_id_too_long",
     "[[vpc]]\nid='" + std::string(129, 'v') + "'\ncidrs=['10.0.0.0/8']\n",
     {"2:4 error bad-id"}},
    {"vpc_cidr_bare", "[[vpc]]\nid='vpc-x'\ncidrs=['10.0.0.1']\n", {"3:8 error bad-cidr"}},
    {"vpc_cidr_number", "[[vpc]]\nid='vpc-x'\ncidrs=[10]\n", {"3:8 error wrong-type"}},
    {"vpc_cidr_long", "[[vpc]]\nid='vpc-x'\ncidrs=['::/129']\n", {"3:8 error bad-cidr"}},
    {"vpc_cidr_twice",
     "[[vpc]]\nid='vpc-x'\ncidrs=['10.0.0.0/8','10.1.0.0/8']\n",
     {"3:21 note host-bits-cut", "3:21 error duplicate-cidr"}},
    {"vpc_cidr_overlap_is_odd",
     "[[vpc]]\nid='vpc-x'\ncidrs=['10.1.0.0/16','10.0.0.0/8']\n",
     {"3:22 warning overlap"}},
    {"vpc_id_twice",
     "[[vpc]]\nid='vpc-a'\ncidrs=['10.0.0.0/16','fd00::/56']\n",
     {"6:6 error duplicate-id"}},
    {"subnet_unknown_vpc",
     "[[subnet]]\nid='s'\nvpc='vpc-z'\ncidrs=['10.0.9.0/24']\n",
     {"3:5 error unknown-vpc"}},
    {"subnet_without_vpc",
     "[[subnet]]\nid='s'\ncidrs=['10.0.9.0/24']\n",
     {"1:1 error missing-key"}},
    {"subnet_outside",
     "[[subnet]]\nid='s'\nvpc='vpc-a'\ncidrs=['10.1.0.0/24']\n",
     {"4:8 error outside-vpc"}},
    {"subnet_wider_than_vpc",
     "[[subnet]]\nid='s'\nvpc='vpc-b'\ncidrs=['10.0.0.0/15']\n",
     {"4:8 error outside-vpc", "19:10 error overlap"}},
    {"subnet_of_absent_family",
     "[[subnet]]\nid='s'\nvpc='vpc-b'\ncidrs=['fd00::/64']\n",
     {"4:8 error outside-vpc"}},
    {"subnet_overlap",
     "[[subnet]]\nid='s'\nvpc='vpc-a'\ncidrs=['10.0.0.0/23']\n",
     {"15:10 error overlap"}},
    {"subnet_same_block",
     "[[subnet]]\nid='s'\nvpc='vpc-a'\ncidrs=['10.0.1.0/24']\n",
     {"15:10 error duplicate-cidr"}},
    // NA-6: one ACL, of the same VPC.
    {"subnet_unknown_acl",
     "[[subnet]]\nid='s'\nvpc='vpc-a'\ncidrs=['10.0.9.0/24']\nnetwork_acl='acl-z'\n",
     {"5:13 error unknown-acl"}},
    {"subnet_acl_of_other_vpc",
     "[[subnet]]\nid='s'\nvpc='vpc-a'\ncidrs=['10.0.9.0/24']\nnetwork_acl='acl-b'\n",
     {"5:13 error wrong-vpc"}},
    {"subnet_unknown_key",
     "[[subnet]]\nid='s'\nvpc='vpc-a'\ncidrs=['10.0.9.0/24']\nzone='a'\n",
     {"5:1 error unknown-key"}},
    {"subnet_id_twice",
     "[[subnet]]\nid='subnet-a'\nvpc='vpc-a'\ncidrs=['10.0.1.0/25','fd00::/64']\n",
     {"13:6 error duplicate-id", "15:10 error overlap", "15:25 error duplicate-cidr"}},
};

const Row kInterfaces[] = {
    {"unknown_subnet",
     "[[interface]]\nid='eni-x'\nsubnet='subnet-z'\naddresses=['10.0.1.9']\n",
     {"3:8 error unknown-subnet"}},
    {"without_subnet",
     "[[interface]]\nid='eni-x'\naddresses=['10.0.1.9']\n",
     {"1:1 error missing-key"}},
    {"without_addresses", interface(""), {"1:1 error missing-key"}},
    {"no_address", interface("addresses=[]"), {"4:11 error empty"}},
    {"address_with_length", interface("addresses=['10.0.1.9/32']"), {"4:12 error bad-address"}},
    {"address_number", interface("addresses=[10]"), {"4:12 error wrong-type"}},
    {"address_outside", interface("addresses=['10.0.2.9']"), {"4:12 error outside-subnet"}},
    {"address_multicast", interface("addresses=['224.0.0.1']"), {"4:12 error bad-address"}},
    {"address_broadcast", interface("addresses=['255.255.255.255']"), {"4:12 error bad-address"}},
    {"address_v6_multicast", interface("addresses=['ff02::1']"), {"4:12 error bad-address"}},
    {"address_unspecified",
     interface("addresses=['0.0.0.0']"),
     {"4:12 warning unspecified-address", "4:12 error outside-subnet"}},
    // SG-61, only where what AWS keeps for itself is exempt.
    {"address_of_the_router",
     "[exempt]\nprofile='aws'\n" + interface("addresses=['10.0.1.1']"),
     {"6:12 warning reserved-address"}},
    {"address_of_the_block",
     "[exempt]\nprofile='aws'\n" + interface("addresses=['10.0.1.0','10.0.1.3','10.0.1.4']"),
     {"6:12 warning reserved-address", "6:23 warning reserved-address"}},
    {"address_last_of_the_block",
     "[exempt]\nprofile='aws'\n" + interface("addresses=['10.0.1.254','10.0.1.255']"),
     {"6:25 warning reserved-address"}},
    {"address_of_the_router_where_nothing_is_exempt", interface("addresses=['10.0.1.1']"), {}},
    {"address_taken", interface("addresses=['10.0.1.10']"), {"37:14 error duplicate-address"}},
    {"address_twice_in_itself",
     interface("addresses=['10.0.1.9','10.0.1.9']"),
     {"4:23 error duplicate-address"}},
    {"mac_short", interface("addresses=['10.0.1.9']\nmac='02:00'"), {"5:5 error bad-mac"}},
    {"mac_group",
     interface("addresses=['10.0.1.9']\nmac='01:00:00:00:00:01'"),
     {"5:5 error bad-mac"}},
    {"mac_zero",
     interface("addresses=['10.0.1.9']\nmac='00:00:00:00:00:00'"),
     {"5:5 error bad-mac"}},
    {"mac_shared",
     interface("addresses=['10.0.1.9']\nmac='02:00:00:00:00:0A'"),
     {"37:7 warning shared-mac"}},
    {"group_unknown",
     interface("addresses=['10.0.1.9']\nsecurity_groups=['sg-z']"),
     {"5:18 error unknown-group"}},
    {"group_twice",
     interface("addresses=['10.0.1.9']\nsecurity_groups=['sg-a','sg-a']"),
     {"5:25 error duplicate-group"}},
    {"group_of_other_vpc",
     interface("addresses=['10.0.1.9']\nsecurity_groups=['sg-b']"),
     {"5:18 error wrong-vpc"}},
    {"group_number",
     interface("addresses=['10.0.1.9']\nsecurity_groups=[1]"),
     {"5:18 error wrong-type"}},
    {"groups_none",
     interface("addresses=['10.0.1.9']\nsecurity_groups=[]"),
     {"5:17 warning no-security-groups"}},
    // CT-11: 60 to 432,000 s.
    {"tcp_established_low",
     interface("addresses=['10.0.1.9']\ntracking={tcp_established=59}"),
     {"5:27 error out-of-range"}},
    {"tcp_established_high",
     interface("addresses=['10.0.1.9']\ntracking={tcp_established=432001}"),
     {"5:27 error out-of-range"}},
    {"udp_low",
     interface("addresses=['10.0.1.9']\ntracking={udp=29}"),
     {"5:15 error out-of-range"}},
    {"udp_high",
     interface("addresses=['10.0.1.9']\ntracking={udp=61}"),
     {"5:15 error out-of-range"}},
    // CT-13: 60 to 180 s.
    {"udp_stream_low",
     interface("addresses=['10.0.1.9']\ntracking={udp_stream=59}"),
     {"5:22 error out-of-range"}},
    {"udp_stream_high",
     interface("addresses=['10.0.1.9']\ntracking={udp_stream=181}"),
     {"5:22 error out-of-range"}},
    // CT-28: at least one flow.
    {"allowance_zero",
     interface("addresses=['10.0.1.9']\ntracking={allowance=0}"),
     {"5:21 error out-of-range"}},
    {"allowance_high",
     interface("addresses=['10.0.1.9']\ntracking={allowance=1073741825}"),
     {"5:21 error out-of-range"}},
    // CT-17: whole seconds of the three timers.
    {"timer_fraction",
     interface("addresses=['10.0.1.9']\ntracking={udp=30.5}"),
     {"5:15 error wrong-type"}},
    {"timer_unknown",
     interface("addresses=['10.0.1.9']\ntracking={icmp=30}"),
     {"5:11 error unknown-key"}},
    {"unknown_key",
     interface("addresses=['10.0.1.9']\nsource_check=false"),
     {"5:1 error unknown-key"}},
    {"id_twice",
     "[[interface]]\nid='eni-a'\nsubnet='subnet-a'\naddresses=['10.0.1.9']\n",
     {"34:6 error duplicate-id"}},
};

const Row kRules[] = {
    {"without_protocol", ingress("{source='10.0.0.0/8'}"), {"4:10 error missing-key"}},
    // SG-11: four names, or 0 to 255.
    {"protocol_word", ingress("{protocol='gre',source='10.0.0.0/8'}"), {"4:20 error bad-protocol"}},
    {"protocol_256", ingress("{protocol=256,source='10.0.0.0/8'}"), {"4:20 error bad-protocol"}},
    {"protocol_minus_two",
     ingress("{protocol='-2',source='10.0.0.0/8'}"),
     {"4:20 error bad-protocol"}},
    {"protocol_boolean", ingress("{protocol=true,source='10.0.0.0/8'}"), {"4:20 error wrong-type"}},
    // SG-12: TCP and UDP need ports.
    {"tcp_without_ports",
     ingress("{protocol='tcp',source='10.0.0.0/8'}"),
     {"4:10 error missing-key"}},
    {"number_17_without_ports",
     ingress("{protocol=17,source='10.0.0.0/8'}"),
     {"4:10 error missing-key"}},
    {"port_70000",
     ingress("{protocol='tcp',ports=70000,source='10.0.0.0/8'}"),
     {"4:32 error bad-ports"}},
    {"port_negative",
     ingress("{protocol='tcp',ports=-1,source='10.0.0.0/8'}"),
     {"4:32 error bad-ports"}},
    {"port_word",
     ingress("{protocol='tcp',ports='http',source='10.0.0.0/8'}"),
     {"4:32 error bad-ports"}},
    {"port_range_open",
     ingress("{protocol='tcp',ports='80-',source='10.0.0.0/8'}"),
     {"4:32 error bad-ports"}},
    {"port_range_backwards",
     ingress("{protocol='tcp',ports='90-80',source='10.0.0.0/8'}"),
     {"4:32 error bad-ports"}},
    {"port_range_too_far",
     ingress("{protocol='tcp',ports='80-65536',source='10.0.0.0/8'}"),
     {"4:32 error bad-ports"}},
    {"port_array",
     ingress("{protocol='tcp',ports=[80],source='10.0.0.0/8'}"),
     {"4:32 error wrong-type"}},
    {"ports_with_all",
     ingress("{protocol='-1',ports=80,source='10.0.0.0/8'}"),
     {"4:31 error key-without-meaning"}},
    // SG-13: others have none.
    {"ports_with_gre",
     ingress("{protocol=47,ports=80,source='10.0.0.0/8'}"),
     {"4:29 error key-without-meaning"}},
    {"ports_with_icmp",
     ingress("{protocol='icmp',ports=80,source='10.0.0.0/8'}"),
     {"4:33 error key-without-meaning"}},
    {"type_with_tcp",
     ingress("{protocol='tcp',ports=80,type=8,source='10.0.0.0/8'}"),
     {"4:40 error key-without-meaning"}},
    // SG-14: no code without a type.
    {"code_without_type",
     ingress("{protocol='icmp',code=1,source='10.0.0.0/8'}"),
     {"4:32 error bad-code"}},
    {"type_256",
     ingress("{protocol='icmp',type=256,source='10.0.0.0/8'}"),
     {"4:32 error out-of-range"}},
    {"type_string",
     ingress("{protocol='icmp',type='8',source='10.0.0.0/8'}"),
     {"4:32 error wrong-type"}},
    // SG-22: each protocol of ICMP has its family.
    {"icmp_of_ipv6", ingress("{protocol='icmp',source='::/0'}"), {"4:34 warning family-mismatch"}},
    {"icmpv6_of_ipv4",
     ingress("{protocol='icmpv6',source='0.0.0.0/0'}"),
     {"4:36 warning family-mismatch"}},
    {"without_source", ingress("{protocol='-1'}"), {"4:10 error missing-key"}},
    // SG-10: each direction has its own key for the peer.
    {"ingress_with_destination",
     ingress("{protocol='-1',destination='10.0.0.0/8'}"),
     {"4:37 error wrong-peer-key"}},
    {"egress_with_source",
     egress("{protocol='-1',source='10.0.0.0/8'}"),
     {"4:31 error wrong-peer-key"}},
    // SG-16: exactly one peer.
    {"both_peers",
     ingress("{protocol='-1',source='10.0.0.0/8',destination='10.0.0.0/8'}"),
     {"4:57 error wrong-peer-key"}},
    {"peer_bare_address", ingress("{protocol='-1',source='10.0.0.1'}"), {"4:32 error bad-cidr"}},
    {"peer_word", ingress("{protocol='-1',source='everyone'}"), {"4:32 error bad-peer"}},
    {"peer_number", ingress("{protocol='-1',source=0}"), {"4:32 error wrong-type"}},
    {"peer_array", ingress("{protocol='-1',source=['10.0.0.0/8']}"), {"4:32 error wrong-type"}},
    {"peer_cidr_leading_zero",
     ingress("{protocol='-1',source='10.0.0.0/08'}"),
     {"4:32 error bad-cidr"}},
    {"peer_unknown_group", ingress("{protocol='-1',source='sg-z'}"), {"4:32 error unknown-group"}},
    {"peer_unknown_list",
     egress("{protocol='-1',destination='pl-z'}"),
     {"4:36 error unknown-prefix-list"}},
    // SG-29: groups of VPCs that a peering joins.
    {"peer_group_not_peered", ingress("{protocol='-1',source='sg-b'}"), {"4:32 error not-peered"}},
    {"peer_of_a_broken_rule_is_checked_too",
     ingress("{protocol='tcp',ports='x',source='sg-z'}"),
     {"4:32 error bad-ports", "4:43 error unknown-group"}},
    {"twice",
     ingress("{protocol='tcp',ports=80,source='10.0.0.0/8'},"
             "{protocol=6,ports='80-80',source='10.0.0.0/8',description='x'}"),
     {"4:56 error duplicate-rule"}},
    {"twice_after_cutting",
     ingress("{protocol='-1',source='10.0.0.0/8'},"
             "{protocol='all',source='10.9.9.9/8'}"),
     {"4:46 error duplicate-rule", "4:69 note host-bits-cut"}},
    {"unknown_key",
     ingress("{protocol='-1',source='10.0.0.0/8',action='allow'}"),
     {"4:45 error unknown-key"}},
    {"tag_number",
     ingress("{protocol='-1',source='10.0.0.0/8',tags={a=1}}"),
     {"4:53 error wrong-type"}},
    {"no_table",
     ingress("3"),
     {
         "4:10 error wrong-type",
     }},
    {"rule_set_no_array", group("ingress='all'"), {"4:9 error wrong-type"}},
    {"description_long",
     ingress("{protocol='-1',source='10.0.0.0/8',description='" + std::string(256, 'a') + "'}"),
     {"4:57 error too-long"}},
    {"description_of_255",
     ingress("{protocol='-1',source='10.0.0.0/8',description='" + std::string(255, 'a') + "'}"),
     {}},
    {"description_of_every_character",
     ingress("{protocol='-1',source='10.0.0.0/8',description='azAZ09 ._-:/()#,@[]+=;{}!$*'}"),
     {}},
    {"description_long_in_characters",
     ingress("{protocol='-1',source='10.0.0.0/8',description='" + repeated("é", 256) + "'}"),
     {"4:57 error too-long"}},
    {"description_long_in_bytes_only",
     ingress("{protocol='-1',source='10.0.0.0/8',description='" + repeated("é", 255) + "'}"),
     {"4:57 warning description-characters"}},
    {"description_odd",
     ingress("{protocol='-1',source='10.0.0.0/8',description='a & b'}"),
     {"4:57 warning description-characters"}},
};

const Row kGroups[] = {
    {"without_vpc", "[[security_group]]\nid='sg-x'\n", {"1:1 error missing-key"}},
    {"unknown_vpc", "[[security_group]]\nid='sg-x'\nvpc='vpc-z'\n", {"3:5 error unknown-vpc"}},
    // SG-7: ids of groups begin with sg-.
    {"id_without_prefix", "[[security_group]]\nid='web'\nvpc='vpc-a'\n", {"2:4 error bad-id"}},
    {"id_twice", "[[security_group]]\nid='sg-a'\nvpc='vpc-a'\n", {"20:6 error duplicate-id"}},
    // SG-5: the default group's id is taken.
    {"id_of_default_group",
     "[[security_group]]\nid='sg-default-a'\nvpc='vpc-a'\n",
     {"2:4 error reserved-id"}},
    {"name_begins_with_sg", group("name='sg-web'"), {"4:6 error bad-name"}},
    {"name_blank", group("name='  '"), {"4:6 error bad-name"}},
    {"name_odd", group("name='a?b'"), {"4:6 error bad-name"}},
    {"name_long", group("name='" + std::string(256, 'a') + "'"), {"4:6 error too-long"}},
    // SG-6: names.
    {"name_of_255", group("name='" + std::string(255, 'a') + "'"), {}},
    {"name_of_every_character", group("name='azAZ09 ._-:/()#,@[]+=&;{}!$*'"), {}},
    {"name_twice",
     group("name='web'\n[[security_group]]\nid='sg-y'\nvpc='vpc-a'\nname='WEB  '"),
     {"8:6 error duplicate-name"}},
    {"name_twice_in_other_vpcs",
     group("name='web'\n[[security_group]]\nid='sg-y'\nvpc='vpc-b'\nname='web'"),
     {}},
    {"tags_array", group("tags=['a']"), {"4:6 error wrong-type"}},
    {"tag_number", group("tags={a=1}"), {"4:9 error wrong-type"}},
    {"unknown_key", group("rules=[]"), {"4:1 error unknown-key"}},
};

const Row kLists[] = {
    // PL-1: one family, a size said in advance, no entry twice.
    {"without_family", list("max_entries=2"), {"1:1 error missing-key"}},
    {"without_max_entries", list("family='ipv4'"), {"1:1 error missing-key"}},
    {"family_word", list("family='IPv4'\nmax_entries=2"), {"3:8 error bad-value"}},
    {"max_entries_zero", list("family='ipv4'\nmax_entries=0"), {"4:13 error out-of-range"}},
    {"too_many",
     list("family='ipv4'\nmax_entries=1\nentries=[{cidr='10.0.0.0/8'},{cidr='11.0.0.0/8'}]"),
     {"2:4 error too-many-entries"}},
    {"wrong_family",
     list("family='ipv4'\nmax_entries=1\nentries=[{cidr='::/0'}]"),
     {"5:16 error wrong-family"}},
    {"twice",
     list("family='ipv4'\nmax_entries=2\nentries=[{cidr='10.0.0.0/8'},{cidr='10.0.0.0/8'}]"),
     {"5:36 error duplicate-entry"}},
    {"twice_after_cutting",
     list("family='ipv6'\nmax_entries=2\nentries=[{cidr='fd00::/8'},{cidr='fd01::/8'}]"),
     {"5:34 note host-bits-cut", "5:34 error duplicate-entry"}},
    {"entry_without_cidr",
     list("family='ipv4'\nmax_entries=2\nentries=[{description='x'}]"),
     {"5:10 error missing-key"}},
    {"entry_unknown_key",
     list("family='ipv4'\nmax_entries=2\nentries=[{cidr='10.0.0.0/8',tag='x'}]"),
     {"5:29 error unknown-key"}},
    {"entries_strings",
     list("family='ipv4'\nmax_entries=2\nentries=['10.0.0.0/8']"),
     {"5:10 error wrong-type"}},
    // PL-4: AWS's names.
    {"amazon_name",
     list("name='com.amazonaws.x'\nfamily='ipv4'\nmax_entries=2"),
     {"3:6 error bad-name"}},
    {"id_without_prefix",
     "[[prefix_list]]\nid='x'\nfamily='ipv4'\nmax_entries=2\n",
     {"2:4 error bad-id"}},
    {"id_twice",
     "[[prefix_list]]\nid='pl-a'\nfamily='ipv4'\nmax_entries=2\n",
     {"27:6 error duplicate-id"}},
};

const Row kAcls[] = {
    // NA-2: 1 to 32766.
    {"rule_1_and_32766",
     acl("{rule=1,action='allow',protocol='-1',cidr='::/0'},"
         "{rule=32766,action='deny',protocol='-1',cidr='::/0'}"),
     {}},
    {"rule_zero",
     acl("{rule=0,action='allow',protocol='-1',cidr='::/0'}"),
     {"4:16 error out-of-range"}},
    {"rule_32767",
     acl("{rule=32767,action='allow',protocol='-1',cidr='::/0'}"),
     {"4:16 error out-of-range"}},
    {"rule_missing", acl("{action='allow',protocol='-1',cidr='::/0'}"), {"4:10 error missing-key"}},
    // NA-9: what an entry must hold.
    {"action_word",
     acl("{rule=1,action='permit',protocol='-1',cidr='::/0'}"),
     {"4:25 error bad-value"}},
    {"action_missing", acl("{rule=1,protocol='-1',cidr='::/0'}"), {"4:10 error missing-key"}},
    {"tcp_without_ports",
     acl("{rule=1,action='deny',protocol='6',cidr='::/0'}"),
     {"4:10 error missing-key"}},
    {"cidr_missing", acl("{rule=1,action='deny',protocol='-1'}"), {"4:10 error missing-key"}},
    // NA-12, SG-18: host bits are cut, with a note.
    {"cidr_with_host_bits",
     acl("{rule=1,action='deny',protocol='-1',cidr='10.9.9.9/8'}"),
     {"4:51 note host-bits-cut"}},
    // PL-6: neither a list nor a group.
    {"cidr_is_a_group",
     acl("{rule=1,action='deny',protocol='-1',cidr='sg-a'}"),
     {"4:51 error bad-cidr"}},
    {"cidr_is_a_list",
     acl("{rule=1,action='deny',protocol='-1',cidr='pl-a'}"),
     {"4:51 error bad-cidr"}},
    {"source_instead_of_cidr",
     acl("{rule=1,action='deny',protocol='-1',cidr='::/0',source='::/0'}"),
     {"4:58 error unknown-key"}},
    {"rule_twice",
     acl("{rule=1,action='deny',protocol='-1',cidr='::/0'},"
         "{rule=1,action='allow',protocol='bad',cidr='::/0'}"),
     {"4:59 error duplicate-acl-rule", "4:91 error bad-protocol"}},
    {"same_number_in_both_directions",
     acl("{rule=1,action='deny',protocol='-1',cidr='::/0'}") +
         "egress=[{rule=1,action='deny',protocol='-1',cidr='::/0'}]\n",
     {}},
    {"id_default", "[[network_acl]]\nid='default'\nvpc='vpc-a'\n", {"2:4 error bad-id"}},
    {"unknown_vpc", "[[network_acl]]\nid='acl-x'\nvpc='vpc-z'\n", {"3:5 error unknown-vpc"}},
    {"id_twice", "[[network_acl]]\nid='acl-b'\nvpc='vpc-a'\n", {"30:6 error duplicate-id"}},
};

const Row kFlowLogs[] = {
    {"resource_missing", flow_log("destination='file:/a'"), {"1:1 error missing-key"}},
    {"resource_unknown",
     flow_log("resource='vpc-z'\ndestination='file:/a'"),
     {"3:10 error unknown-resource"}},
    {"destination_missing", flow_log("resource='vpc-a'"), {"1:1 error missing-key"}},
    // FL-37: destinations.
    {"destination_scheme",
     flow_log("resource='vpc-a'\ndestination='s3://bucket'"),
     {"4:13 error bad-destination"}},
    {"destination_relative",
     flow_log("resource='vpc-a'\ndestination='file:flow.log'"),
     {"4:13 error bad-destination"}},
    {"destination_directory",
     flow_log("resource='vpc-a'\ndestination='file:/var/log/'"),
     {"4:13 error bad-destination"}},
    {"destination_twice",
     flow_log("resource='vpc-a'\ndestination='file:/a'\n[[flow_log]]\nid='fl-y'\n"
              "resource='vpc-b'\ndestination='file:/a'"),
     {"8:13 error duplicate-destination"}},
    {"id_twice",
     flow_log("resource='vpc-a'\ndestination='file:/a'\n[[flow_log]]\nid='fl-x'\n"
              "resource='vpc-b'\ndestination='file:/b'"),
     {"6:4 error duplicate-id"}},
    {"traffic",
     flow_log("resource='vpc-a'\ndestination='file:/a'\ntraffic='ALL'"),
     {"5:9 error bad-value"}},
    // FL-11: 60 or 600 s.
    {"interval",
     flow_log("resource='vpc-a'\ndestination='file:/a'\ninterval=120"),
     {"5:10 error out-of-range"}},
    {"interval_low",
     flow_log("resource='vpc-a'\ndestination='file:/a'\ninterval=1"),
     {"5:10 error out-of-range"}},
    {"format_empty",
     flow_log("resource='vpc-a'\ndestination='file:/a'\nformat=' '"),
     {"5:8 error bad-format"}},
    {"format_bare",
     flow_log("resource='vpc-a'\ndestination='file:/a'\nformat='srcaddr'"),
     {"5:8 error bad-format"}},
    {"format_joined",
     flow_log("resource='vpc-a'\ndestination='file:/a'\nformat='${srcaddr}${dstaddr}'"),
     {"5:8 error bad-format"}},
    {"format_unknown",
     flow_log("resource='vpc-a'\ndestination='file:/a'\nformat='${source}'"),
     {"5:8 error unknown-field"}},
    {"format_later",
     flow_log("resource='vpc-a'\ndestination='file:/a'\nformat='${region}'"),
     {"5:8 error unsupported-field"}},
    {"header_word",
     flow_log("resource='vpc-a'\ndestination='file:/a'\nheader='yes'"),
     {"5:8 error wrong-type"}},
    {"rotate_zero",
     flow_log("resource='vpc-a'\ndestination='file:/a'\nrotate_size_mb=0"),
     {"5:16 error out-of-range"}},
    {"rotate_keep",
     flow_log("resource='vpc-a'\ndestination='file:/a'\nrotate_keep=-1"),
     {"5:13 error out-of-range"}},
    {"unknown_key",
     flow_log("resource='vpc-a'\ndestination='file:/a'\nbucket='x'"),
     {"5:1 error unknown-key"}},
    {"ambiguous",
     flow_log("resource='both'\ndestination='file:/a'") +
         "[[vpc]]\nid='both'\ncidrs=['10.0.0.0/8']\n[[subnet]]\nid='both'\nvpc='vpc-a'\n"
         "cidrs=['10.0.9.0/24']\n",
     {"3:10 error ambiguous-resource"}},
};

INSTANTIATE_TEST_SUITE_P(TopLevel, PolicyBadInput, testing::ValuesIn(kTopLevel), row_name);
INSTANTIATE_TEST_SUITE_P(Network, PolicyBadInput, testing::ValuesIn(kNetwork), row_name);
INSTANTIATE_TEST_SUITE_P(Interfaces, PolicyBadInput, testing::ValuesIn(kInterfaces), row_name);
INSTANTIATE_TEST_SUITE_P(Rules, PolicyBadInput, testing::ValuesIn(kRules), row_name);
INSTANTIATE_TEST_SUITE_P(Groups, PolicyBadInput, testing::ValuesIn(kGroups), row_name);
INSTANTIATE_TEST_SUITE_P(Lists, PolicyBadInput, testing::ValuesIn(kLists), row_name);
INSTANTIATE_TEST_SUITE_P(Acls, PolicyBadInput, testing::ValuesIn(kAcls), row_name);
INSTANTIATE_TEST_SUITE_P(FlowLogs, PolicyBadInput, testing::ValuesIn(kFlowLogs), row_name);

TEST(PolicyMessages, name_both_places_of_what_is_there_twice) {
  const LoadedPolicy loaded = load_with_base(interface("addresses=['10.0.1.10']"));
  EXPECT_EQ(messages_of(loaded),
            "p.toml:37:14: error: interface \"eni-a\": the address 10.0.1.10 is there twice in vpc "
            "\"vpc-a\"; first at p.toml:4:12\n");
}

TEST(PolicyMessages, explain_why_other_protocols_have_no_ports) {
  const LoadedPolicy loaded = load_with_base(ingress("{protocol=47,ports=80,source='10.0.0.0/8'}"));
  EXPECT_NE(messages_of(loaded).find("every packet of another protocol matches"),
            std::string::npos);
}

TEST(PolicyMessages, say_how_one_address_is_written) {
  const LoadedPolicy loaded = load_with_base(ingress("{protocol='-1',source='fd00::1'}"));
  EXPECT_EQ(messages_of(loaded),
            "p.toml:4:32: error: ingress rule of sg-x: \"fd00::1\" is not a CIDR; one address is "
            "written fd00::1/128\n");
}

TEST(PolicyMessages, name_value_and_limit) {
  const LoadedPolicy loaded =
      load_with_base(interface("addresses=['10.0.1.9']\ntracking={udp=61}"));
  EXPECT_EQ(
      messages_of(loaded),
      "p.toml:5:15: error: tracking of interface \"eni-x\": udp = 61 is out of range: 30 to 60 "
      "s (CT-12)\n");
}

TEST(PolicyMessages, do_not_print_control_characters_or_endless_values) {
  const LoadedPolicy loaded =
      load_policy_json("{\"account\":\"\\u001b[31m" + std::string(1000, 'x') + "\"}", "p");
  const std::string message = messages_of(loaded);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(message.size(), 300u);
}

TEST(PolicyMessages, show_other_alphabets_as_they_were_written) {
  EXPECT_EQ(sluice::quoted("büro"), "\"büro\"");
  EXPECT_EQ(sluice::quoted(repeated("é", 80)), "\"" + repeated("é", 80) + "\"");
  EXPECT_EQ(sluice::quoted(repeated("é", 81)), "\"" + repeated("é", 80) + "…\"");
  EXPECT_EQ(sluice::quoted("a" + repeated("語", 200)), "\"a" + repeated("語", 79) + "…\"");
}

TEST(PolicyMessages, show_a_mark_for_bytes_that_are_no_character) {
  EXPECT_EQ(sluice::quoted("a\xff\xc3z\xe2\x82"), "\"a??z??\"");
  EXPECT_EQ(sluice::quoted("a\xc2\x9b"
                           "31mz"),
            "\"a?31mz\"");                                         // a control character of C1
  EXPECT_EQ(sluice::quoted("\xed\xa0\x80\xc0\x80"), "\"?????\"");  // half a pair, and too long
}

TEST(PolicyLimits, are_exit_code_five) {  // SG-42
  std::string groups;
  std::string names;
  for (int i = 0; i < 65; ++i) {
    const std::string id = "sg-n" + std::to_string(i);
    groups += "[[security_group]]\nid='" + id + "'\nvpc='vpc-a'\n";
    names += "'" + id + "',";
  }
  const LoadedPolicy loaded =
      load_with_base(interface("addresses=['10.0.1.9']\nsecurity_groups=[" + names + "]") + groups);
  EXPECT_EQ(short_findings(loaded),
            std::vector<std::string>{"5:17 error limit-groups-per-interface"});
  ASSERT_FALSE(loaded.policy);
  EXPECT_EQ(loaded.error().kind, ErrorKind::LimitExceeded);
  EXPECT_EQ(loaded.error().sentence,
            "interface \"eni-x\" holds 65 security groups; at most 64 fit");
}

}  // namespace
}  // namespace sluice
