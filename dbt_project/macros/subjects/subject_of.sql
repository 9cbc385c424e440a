{#- Whose a record is, for the rules that must know. In PostgreSQL the contributor id as text: the record's own,
    that of its email, or that of its parent's subject. In ClickHouse the key of a row of `subjects_table`,
    since a mutation can join nothing. -#}
{% macro subject_of(spec, alias) -%}
    {{ return(adapter.dispatch('subject_of', 'contributor_deletion')(spec, alias) | trim) }}
{%- endmacro %}

{% macro postgres__subject_of(spec, alias) -%}
    {%- set id = spec.subject.get('contributor_id') -%}
    {%- set email = spec.subject.get('email') -%}
    {%- set via = spec.subject.get('via') -%}
    {%- set own_id = 'cast(' ~ alias ~ '.' ~ quoted(id) ~ ' as text)' if id else none -%}
    {%- if via and not id -%}
        {%- set parent, above = mask_spec(spec.source, via.table), alias ~ '_parent' -%}
        (
            select {{ subject_of(parent, above) }}
            from {{ parent.relation }} as {{ above }}
            where {{ above }}.{{ quoted(via.parent_column) }} = {{ alias }}.{{ quoted(via.column) }}
        )
    {%- elif email -%}
        {%- set by_email -%}
            (
                select min(owners.contributor_id)
                from erasure.targets as owners
                where
                    owners.batch_id = {{ batch_id() }}
                    and owners.kind = 'email'
                    and owners.value = {{ normalised_email(alias ~ '.' ~ quoted(email)) }}
            )
        {%- endset -%}
        {%- if id -%} coalesce({{ own_id }}, {{ by_email }}) {%- else -%} {{ by_email }} {%- endif -%}
    {%- else -%}
        {{ own_id }}
    {%- endif -%}
{%- endmacro %}

{% macro clickhouse__subject_of(spec, alias) -%}
    {%- set id = spec.subject.get('contributor_id') -%}
    {%- set email = spec.subject.get('email') -%}
    {%- set by_id = "concat('id:', toString(" ~ quoted(id) ~ "))" if id else none -%}
    {%- set by_email = "concat('email:', " ~ normalised_email(quoted(email)) ~ ")" if email else none -%}
    {%- if id and email -%}
        coalesce({{ by_id }}, {{ by_email }}, '')
    {%- else -%}
        coalesce({{ by_id or by_email or "''" }}, '')
    {%- endif -%}
{%- endmacro %}
