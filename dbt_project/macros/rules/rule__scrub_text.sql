{#- Whole-token occurrences of the subject's own email, names and phone become the mask, in any case, longest first.
    The needles stand in erasure.targets, so that no statement carries one. PostgreSQL only (RE2 of ClickHouse has no
    lookbehind). Where the subject is unknown, or its needles have expired, there is nothing to look for. -#}
{% macro rule__scrub_text(column, subject_id) -%}
    case
        when {{ column }} is null then null
        else coalesce(
            regexp_replace(
                {{ column }},
                (
                    select
                        '(?<!\w)(?:'
                        || string_agg(
                            regexp_replace(needles.value, '([^[:alnum:]])', '\\\1', 'g'),
                            '|' order by length(needles.value) desc, needles.value
                        )
                        || ')(?!\w)'
                    from erasure.targets as members
                    inner join erasure.targets as needles
                        on members.batch_id = needles.batch_id and members.person_id = needles.person_id
                    where
                        members.batch_id = {{ batch_id() }}
                        and members.kind = 'contributor'
                        and members.contributor_id = {{ subject_id }}
                        and needles.kind in ('email', 'name', 'phone')
                ),
                {{ mask_value() }},
                'gi'
            ),
            {{ column }}
        )
    end
{%- endmacro %}
