"""The one Painless body that counts, masks and deletes. What it is told stands in `requests.py`.

Holds: the script, and the sources of the two requests that carry it.
Add here: a rule that needs nothing but ids (then also in `requests.IN_THE_ENGINE`).
Keep out: rules that need names, emails or salts of persons, which a task would keep in its description
(`scan.py`); and values in the sources: a source that is not constant is compiled anew for every batch, and
engines allow few compilations a minute.
"""

# `survey` looks at every object that has ruled fields, and masks them where `change` is set. It answers with
# [values that change, of those by email alone, ruled values, conflicts, whether a target or a mask was met,
# values in their masked form, changes that leave a masked form to be seen].
# A list may stand anywhere, so lists are walked through wherever one is met.
#
# Whose a field is says the nearest object on the way to it that has an owner: `chain` holds the objects passed,
# `depths` how many steps of the path had been taken there. Lists are entered only beyond the steps that owner and
# field share: another element of the list that a field stands in says nothing of it.
_BODY = """
boolean blank(int c) { return c == 32 || (c >= 9 && c <= 13); }

boolean isNormal(String text) {
  int last = text.length() - 1;
  if (last < 0) { return true; }
  if (blank(text.charAt(0)) || blank(text.charAt(last))) { return false; }
  for (int i = 0; i <= last; ++i) {
    int c = text.charAt(i);
    if (c >= 65 && c <= 90) { return false; }
  }
  return true;
}

String normal(String text) {
  if (isNormal(text)) { return text; }
  int from = 0;
  int to = text.length();
  while (from < to && blank(text.charAt(from))) { from++; }
  while (to > from && blank(text.charAt(to - 1))) { to--; }
  StringBuilder out = new StringBuilder();
  for (int i = from; i < to; ++i) {
    int c = text.charAt(i);
    out.appendCodePoint(c >= 65 && c <= 90 ? c + 32 : c);
  }
  return out.toString();
}

boolean isTarget(def id, Map ids) {
  String text = id.toString();
  if (ids.containsKey(text)) { return true; }
  int hyphen = 45;
  return text.length() == 36 && text.charAt(8) == hyphen && ids.containsKey(normal(text));
}

void collect(def node, List ways, int at, boolean lists, List found) {
  if (node instanceof List) {
    if (!lists && at < ways.size()) { return; }
    for (def each : node) { collect(each, ways, at, lists, found); }
  } else if (at == ways.size()) {
    if (node != null) { found.add(node); }
  } else if (node instanceof Map) {
    for (List way : ways.get(at)) {
      def held = node.get(way.get(0));
      if (held != null) { collect(held, ways, way.get(1), lists, found); }
    }
  }
}

List whose(List chain, List depths, Map trail) {
  List found = new ArrayList();
  if (trail == null) { return found; }
  for (int i = chain.size() - 1; i >= 0 && found.isEmpty(); --i) {
    int depth = depths.get(i);
    if (depth <= trail.depth) { collect(chain.get(i), trail.ways, depth, depth == trail.depth, found); }
  }
  return found;
}

int look(def value, Map params) {
  if (value == null) { return 0; }
  if (value instanceof List) {
    int seen = 0;
    for (def each : value) { seen |= look(each, params); }
    return seen;
  }
  if (!(value instanceof String)) { return 4; }
  if (value.equals(params.mask) || value.startsWith(params.mask + '-')) { return 2; }
  return params.emails.containsKey(normal(value)) ? 1 : 4;
}

boolean settled(def value, String rule, Map params, boolean all) {
  if (value == null) { return true; }
  if (value instanceof List) {
    for (def each : value) { if (!settled(each, rule, params, all)) { return false; } }
    return true;
  }
  if (!all && look(value, params) != 1) { return true; }
  return rule == 'constant' && params.mask.equals(value);
}

def masked(def value, String rule, Map params, boolean all) {
  if (value == null) { return null; }
  if (value instanceof List && !(all && rule == 'clear')) {
    List every = new ArrayList();
    for (def each : value) { every.add(masked(each, rule, params, all)); }
    return every;
  }
  if (!all && look(value, params) != 1) { return value; }
  return rule == 'clear' ? null : params.mask;
}

int belongs(List owners, Map ids) {
  int seen = 0;
  for (def owner : owners) { seen |= isTarget(owner, ids) ? 1 : 2; }
  return seen;
}

void weigh(Map element, Map place, int at, List chain, List depths, Map params, boolean change, long[] seen) {
  Map fields = place.fields.get(at);
  int held = 0;
  boolean marked = false;
  boolean worn = false;
  boolean named = false;
  boolean decided = false;
  for (String field : fields.keySet()) {
    int own = look(element.get(field), params);
    if (element.get(field) != null) { held++; }
    if ((own & 2) == 2) { marked = true; }
    if (own == 2) { worn = true; }
    if ((own & 1) == 1) {
      named = true;
      if ((own & 4) == 0) { decided = true; }
    }
  }
  if (held == 0) { return; }
  seen[2] += held;
  boolean split = false;
  if (place.email != null) {
    int said = look(whose(chain, depths, place.email), params);
    worn = said == 2;
    named = (said & 1) == 1;
    decided = named && (said & 4) == 0;
    split = named && !decided;
  }
  List owners = whose(chain, depths, place.owner);
  int mine = belongs(owners, params.ids);
  boolean target = mine == 1;
  boolean nobodys = owners.isEmpty();
  if (target || worn || marked) { seen[4] = 1; }
  if (mine == 3 || (mine == 2 && named) || (nobodys && split)) { seen[3]++; }
  boolean all = target || worn || (nobodys && decided);
  boolean some = !all && nobodys && named && place.email == null;
  if (!all && !some && !marked) { return; }
  for (String field : fields.keySet()) {
    def value = element.get(field);
    String rule = fields.get(field);
    if (value == null) { continue; }
    if (!(all || some) || settled(value, rule, params, all)) {
      if (all || (look(value, params) & 2) == 2) { seen[5]++; }
      continue;
    }
    seen[0]++;
    if (!target && !worn) { seen[1]++; }
    if (rule != 'clear') { seen[6]++; }
    if (change) { element.put(field, masked(value, rule, params, all)); }
  }
}

void visit(def node, int at, Map place, List chain, List depths, Map params, boolean change, long[] seen) {
  if (node instanceof List) {
    for (def each : node) { visit(each, at, place, chain, depths, params, change, seen); }
  } else if (node instanceof Map) {
    chain.add(node);
    depths.add(at);
    weigh(node, place, at, chain, depths, params, change, seen);
    for (List way : place.ways.get(at)) {
      def child = node.get(way.get(0));
      if (child != null) { visit(child, way.get(1), place, chain, depths, params, change, seen); }
    }
    chain.remove(chain.size() - 1);
    depths.remove(depths.size() - 1);
  }
}

void whole(Map source, Map record, Map params, long[] seen) {
  List chain = [source];
  List depths = [0];
  List owners = whose(chain, depths, record.owner);
  int mine = belongs(owners, params.ids);
  int said = look(whose(chain, depths, record.email), params);
  boolean named = (said & 1) == 1;
  seen[2]++;
  if (mine == 3 || (mine == 2 && named) || (owners.isEmpty() && named && (said & 4) == 4)) { seen[3]++; }
  boolean byEmail = owners.isEmpty() && named && (said & 4) == 0;
  if (mine == 1 || byEmail) {
    seen[0]++;
    seen[4] = 1;
    if (byEmail) { seen[1]++; }
  }
}

long[] survey(def source, Map params, boolean change) {
  long[] seen = new long[7];
  if (params.record != null) { whole(source, params.record, params, seen); }
  for (Map place : params.places) {
    visit(source, 0, place, new ArrayList(), new ArrayList(), params, change, seen);
  }
  return seen;
}
"""

MASKING = (
    _BODY
    + """
if (survey(ctx._source, params, true)[0] == 0) { ctx.op = 'noop'; }
else if (params.record != null) { ctx.op = 'delete'; }
"""
)
COUNTING = (
    _BODY
    + """
long[] seen = survey(params._source, params, false);
if (seen[0] > 0) { state.records++; }
if (seen[1] > 0) { state.by_email++; }
state.elements += seen[0];
state.total_elements += seen[2];
state.conflicts += seen[3];
state.touched += seen[4];
state.masked += seen[5];
state.lasting += seen[6];
"""
)
FIGURES = ("records", "by_email", "elements", "total_elements", "conflicts", "touched", "masked", "lasting")
START = "".join(f"state.{figure} = 0L;" for figure in FIGURES)
SUM = """
Map sum = new HashMap();
for (state in states) {
  for (figure in state.keySet()) { sum.put(figure, sum.getOrDefault(figure, 0L) + state.get(figure)); }
}
return sum;
"""

# Writes what has been found here (`elements.py`): the changes of a document, as (steps to a value, the new value).
# Steps are names of objects and places in lists; the engine keeps the rest of the document as it is.
PATCHING = """
for (List change : params.changes) {
  def node = ctx._source;
  List steps = change.get(0);
  int last = steps.size() - 1;
  for (int i = 0; i < last; ++i) {
    if (node instanceof List) { int at = (int) steps.get(i); node = ((List) node).get(at); }
    else { node = ((Map) node).get(steps.get(i)); }
  }
  ((Map) node).put(steps.get(last), change.get(1));
}
"""
