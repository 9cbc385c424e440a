{#- The contributor id of a record's subject: its own, that of the email, or that of its parent's subject. -#}
{% macro subject_id(spec, alias) -%}
    {%- set id = spec.subject.get('contributor_id') -%}
    {%- set email = spec.subject.get('email') -%}
    {%- set via = spec.subject.get('via') -%}
    {%- if via -%}
        {%- set parent = mask_spec(spec.source, via.table) -%}
        (
            select {{ subject_id(parent, 'parent_' ~ via.table) }}
            from {{ parent.relation }} as parent_{{ via.table }}
            where parent_{{ via.table }}.{{ via.parent_column }} = {{ alias }}.{{ via.column }}
        )
    {%- elif email -%}
        {%- set by_email -%}
            (
                select min(cast(owners.contributor_id as text))
                from erasure.targets as owners
                where
                    owners.batch_id = {{ batch_id() }}
                    and owners.kind = 'email'
                    and owners.value = {{ normalised_email(alias ~ '.' ~ email) }}
            )
        {%- endset -%}
        {%- if id -%} coalesce({{ alias }}.{{ id }}, cast({{ by_email }} as uuid)) {%- else -%} cast({{ by_email }} as uuid) {%- endif -%}
    {%- else -%}
        {{ alias }}.{{ id }}
    {%- endif -%}
{%- endmacro %}
