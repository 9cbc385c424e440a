{#- Whole-token occurrences of the subject's own email, names and phone become the mask, in any case, longest
    first. The needles stand in erasure.targets, so that no statement carries one. Where the subject is unknown,
    or its needles have expired, there is nothing to look for. -#}
{% macro rule__scrub_text(value, owner, type) -%}
    {{ return(adapter.dispatch('rule__scrub_text', 'contributor_deletion')(value, owner)) }}
{%- endmacro %}

{% macro postgres__rule__scrub_text(value, owner) -%}
    case
        when {{ value }} is null then null
        else coalesce(
            regexp_replace(
                {{ value }},
                (
                    select
                        '(?<!\w)(?:'
                        || string_agg(
                            {{ needle_pattern('needles.value') }},
                            '|' order by length(needles.value) desc, needles.value
                        )
                        || ')(?!\w)'
                    from erasure.targets as members
                    inner join erasure.targets as needles
                        on members.batch_id = needles.batch_id and members.person_id = needles.person_id
                    where
                        members.batch_id = {{ batch_id() }}
                        and members.kind = 'contributor'
                        and members.contributor_id = {{ owner }}
                        and needles.kind in ('email', 'name', 'phone')
                ),
                {{ mask_value() }},
                'gi'
            ),
            {{ value }}
        )
    end
{%- endmacro %}

{#- The pattern is made where the target set is loaded (`scrub_pattern_re2` of erasure/rules.py). RE2 has no
    lookbehind: the pattern takes in the letter before and the one behind, so every second of two neighbours is
    found by a second pass, for which what was found stands as a sign that is no letter. -#}
{% macro clickhouse__rule__scrub_text(value, owner) -%}
    {%- set pattern = subject_attribute('pattern', owner) -%}
    {%- set sign = "char(1, 31, 1)" -%}
    {%- set once = "replaceRegexpAll(" ~ value ~ ", " ~ pattern ~ ", concat('\\1', " ~ sign ~ ", '\\3'))" -%}
    {%- set twice = "replaceRegexpAll(" ~ once ~ ", " ~ pattern ~ ", concat('\\1', " ~ sign ~ ", '\\3'))" -%}
    multiIf(
        {{ value }} is null or {{ pattern }} = '', {{ value }},
        replaceAll({{ twice }}, {{ sign }}, {{ mask_value() }})
    )
{%- endmacro %}

{#- A needle as a pattern: what means something there is escaped, and letters stand for those that are the same in any
    case to Python's patterns and not to PostgreSQL's (Turkish dotless and dotted i, the final sigma). -#}
{% macro needle_pattern(needle) -%}
    {#- A block, since a backslash within a string of Jinja's would be taken by Jinja. -#}
    {%- set escaped -%} regexp_replace({{ needle }}, '([][\\.*+?^${}()|])', '\\\1', 'g') {%- endset -%}
    {%- set pattern = namespace(sql=escaped) -%}
    {%- for alike in ['iıİ', 'sſ', 'k\u212a', 'å\u212b', 'σς', 'ßẞ'] -%}
        {%- set pattern.sql = "regexp_replace(" ~ pattern.sql ~ ", '[" ~ alike ~ "]', '[" ~ alike ~ "]', 'gi')" -%}
    {%- endfor -%}
    {{ pattern.sql }}
{%- endmacro %}
